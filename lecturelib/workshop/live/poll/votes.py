"""The votes of a poll, in a file: what was answered is kept, also where the server is stopped in the middle."""

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

from lecturelib.workshop.whole import new_table

ROUNDS = 2  # a question is asked once, and again after the discussion

_TABLES = """
pragma journal_mode = wal;
pragma synchronous = normal; -- what is written outlives the process, at once
create table if not exists rounds (
  number integer primary key, name text, question text, choices text, round integer,
  turn integer, open integer default 1, shown integer default 0, outcome text default '', unique (name, round));
create table if not exists votes (number integer, browser text, choice integer, primary key (number, browser));
"""
_LAST = "number = (select max(number) from rounds where name = ?)"


class Votes:
    """Questions, each in one round or two, and one vote of each browser in each round; at most one round is open."""

    def __init__(self, file: Path) -> None:
        self._base = sqlite3.connect(file, isolation_level=None)
        self._base.row_factory = sqlite3.Row
        self._base.executescript(_TABLES)

    def ask(self, name: str, question: str, choices: list[str]) -> None:
        """Open the first round of a question, or its last one again."""
        if not self._turn_to(name):
            self._add(name, question, choices, 1)

    def again(self, name: str) -> None:
        """Open the second round of a question that was asked."""
        last = self._base.execute(f"select * from rounds where {_LAST}", [name]).fetchone()
        if last and last["round"] < ROUNDS:
            self._add(name, last["question"], json.loads(last["choices"]), last["round"] + 1)
        else:
            self._turn_to(name)

    def close(self, name: str) -> None:
        """Take no more votes."""
        self._base.execute(f"update rounds set open = 0 where {_LAST}", [name])

    def show(self, name: str) -> None:
        """Show how many chose what, or hide it again."""
        self._base.execute(f"update rounds set shown = 1 - shown where {_LAST}", [name])

    def tell(self, name: str, outcome: str) -> None:
        """Note what was measured."""
        self._base.execute("update rounds set outcome = ? where name = ?", [outcome, name])

    def vote(self, number: int, browser: str, choice: int) -> bool:
        """Count a vote, in the place of this browser's earlier one; return whether the round is open and has it."""
        return self._base.execute(
            "insert into votes select number, ?, ? from rounds where number = ? and open and ? between 0 and "
            "json_array_length(choices) - 1 on conflict do update set choice = excluded.choice",
            [browser, choice, number, choice],
        ).rowcount == 1  # fmt: skip

    def mine(self, number: int, browser: str) -> int | None:
        """Return what a browser chose in a round."""
        found = self._base.execute("select choice from votes where number = ? and browser = ?", [number, browser])
        return next((row["choice"] for row in found), None)

    def state(self) -> dict[str, Any]:
        """Return what may be seen now: nothing before the first question, and the counts only where they are shown."""
        now = self._base.execute("select * from rounds order by turn desc limit 1").fetchone()
        if now is None:
            return {}
        numbers = self._base.execute("select number from rounds where name = ? order by round", [now["name"]])
        counts = [self._counts(number, len(json.loads(now["choices"]))) for (number,) in numbers]
        seen = {key: now[key] for key in ("number", "name", "question", "round", "outcome")}
        return seen | {
            "choices": json.loads(now["choices"]), "open": bool(now["open"]), "shown": bool(now["shown"]),
            "voted": [sum(each) for each in counts], "counts": counts if now["shown"] else [],
        }  # fmt: skip

    def write(self, file: Path) -> int:
        """Write a new table: a line for each choice in each round; return how many rounds there were."""
        rounds = self._base.execute("select * from rounds order by number").fetchall()
        if rounds:
            with new_table(file) as stream:
                table = csv.writer(stream)
                table.writerow(["name", "question", "round", "choice", "votes", "outcome"])
                for row in rounds:
                    choices = json.loads(row["choices"])
                    for choice, count in zip(choices, self._counts(row["number"], len(choices)), strict=True):
                        table.writerow([row["name"], row["question"], row["round"], choice, count, row["outcome"]])
        return len(rounds)

    def end(self) -> None:
        self._base.close()

    def _counts(self, number: int, choices: int) -> list[int]:
        sql = "select choice, count(*) from votes where number = ? group by choice"
        found = dict(map(tuple, self._base.execute(sql, [number])))
        return [found.get(choice, 0) for choice in range(choices)]

    def _turn_to(self, name: str) -> bool:
        """Open the last round of a question, hidden, and close all others; return whether there is one."""
        self._base.execute("update rounds set open = 0, shown = 0")
        change = f"update rounds set open = 1, turn = (select max(turn) from rounds) + 1 where {_LAST}"
        return self._base.execute(change, [name]).rowcount == 1

    def _add(self, name: str, question: str, choices: list[str], nth: int) -> None:
        self._base.execute(
            "insert into rounds (name, question, choices, round, turn) values "
            "(?, ?, ?, ?, (select coalesce(max(turn), 0) + 1 from rounds))",
            [name, question, json.dumps(choices), nth],
        )
        self._turn_to(name)
