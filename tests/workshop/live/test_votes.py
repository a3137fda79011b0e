"""The votes of a poll: each browser once in each round, and nothing is shown by accident."""

import csv
import sqlite3

import pytest

from lecturelib.workshop.live.poll.votes import Votes

QUESTION, CHOICES = "Heads or tails?", ["heads", "tails", "the edge"]


@pytest.fixture
def votes(tmp_path):
    """Votes with one question, "03 1", whose first round is open."""
    opened = Votes(tmp_path / "votes.sqlite")
    assert opened.state() == {} and opened.write(tmp_path / "empty.csv") == 0
    opened.again("03 1")  # nothing was asked yet
    assert opened.state() == {} and not (tmp_path / "empty.csv").exists()
    opened.ask("03 1", QUESTION, CHOICES)
    yield opened
    opened.end()


def test_a_vote_may_be_changed_until_it_is_closed_and_counts_once(votes):
    assert votes.vote(1, "ann", 0) and votes.vote(1, "bob", 0) and votes.vote(1, "ann", 2)
    assert votes.state()["voted"] == [2] and votes.mine(1, "ann") == 2 and votes.mine(1, "eve") is None
    votes.close("03 1")
    assert not votes.vote(1, "ann", 1) and not votes.vote(1, "eve", 1)
    votes.show("03 1")
    assert votes.state()["counts"] == [[1, 0, 1]]
    votes.ask("03 1", "changed", ["x", "y"])  # the same round, open again
    assert votes.vote(1, "ann", 1) and votes.state()["question"] == QUESTION
    assert not any(votes.vote(*each) for each in [(1, "ann", -1), (1, "ann", 3), (2, "ann", 0), (0, "ann", 0)])
    assert votes.mine(1, "ann") == 1


def test_nothing_is_shown_before_the_key(votes):
    """Each new round, and each question that is opened again, begins hidden."""
    steps = [votes.again, lambda name: votes.ask(name, QUESTION, CHOICES), votes.again]
    for step in [*steps, lambda _: votes.ask("03 2", "Another?", ["yes", "no"])]:
        assert not votes.state()["shown"] and votes.state()["counts"] == []
        votes.show("03 1")
        assert votes.state()["shown"] and votes.state()["counts"]
        votes.close("03 1")
        assert votes.state()["shown"]  # it may be closed while the hall looks at it
        step("03 1")
    assert not votes.state()["shown"]


def test_both_rounds_stand_side_by_side_and_there_is_no_third_and_one_question_is_open_at_a_time(votes):
    votes.vote(1, "ann", 0)
    votes.again("03 1")
    assert votes.state()["round"] == 2 and not votes.vote(1, "ann", 1)  # the first is closed
    assert votes.mine(2, "ann") is None and votes.vote(2, "ann", 1)
    votes.again("03 1")
    votes.show("03 1")
    assert votes.state()["round"] == 2 and votes.state()["counts"] == [[1, 0, 0], [0, 1, 0]]
    votes.ask("03 2", "Another?", ["yes", "no"])
    assert not votes.vote(2, "ann", 0) and votes.vote(3, "ann", 0)
    votes.ask("03 1", QUESTION, CHOICES)
    assert votes.vote(2, "ann", 0) and not votes.vote(3, "bob", 0) and votes.state()["name"] == "03 1"


def test_the_table_has_a_line_for_each_choice_of_each_round(votes, tmp_path):
    votes.ask("03 2", 'Is "a, b" right?', ["yes", "no"])
    votes.vote(2, "ann", 1)
    votes.again("03 2")
    votes.vote(3, "ann", 0)
    votes.tell("03 2", "7 of 9. Right was: yes.")
    assert votes.write(tmp_path / "t.csv") == 3
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))[len(CHOICES) :]
    assert [(row["round"], row["choice"], row["votes"]) for row in rows] == [
        ("1", "yes", "0"), ("1", "no", "1"), ("2", "yes", "1"), ("2", "no", "0"),
    ]  # fmt: skip
    assert {(row["question"], row["outcome"]) for row in rows} == {('Is "a, b" right?', "7 of 9. Right was: yes.")}
    votes._base.execute("drop table votes")  # what fails in the middle, as on a full disk, leaves no half a table
    with pytest.raises(sqlite3.Error):
        votes.write(tmp_path / "half.csv")
    assert not (tmp_path / "half.csv").exists()
