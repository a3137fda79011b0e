"""Let mutmut change single tokens of a module, and see what no test notices: python -m tests.mutation [NAME ...].

It works in a copy of the working tree, on one module after the other, with the tests of that module. Slow: a second or
two for each of some hundred mutants. Survivors are compared with tests/mutation.toml, which says of each why it lives:
the command fails where one is not listed, where one that is listed no longer survives, and where they are too many.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

from lecturelib.workshop.publish.execute import ENVIRONMENT
from tests.working_tree import copy

LISTED = Path(__file__).with_suffix(".toml")
MODULES = ("attention", "transformer", "vision", "mae", "recurrent", "training")
BAR = 0.05  # the share of mutants that may survive
ALIVE = {0, 5, 33, None}  # mutmut's codes for what survived, was met by no test, or was not run


class Change(NamedTuple):
    """A mutant, as lines of a module and what stands in their place."""

    module: str
    old: str
    new: str


def run(module: str) -> tuple[int, list[Change]]:
    """Return how many mutants of a module there are, and which of them survive."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        copy(folder)
        config = folder / "pyproject.toml"
        text, replaced = re.subn(r"lecturelib/\*\.py|tests/test_\*\.py",
                                 lambda found: found[0].replace("*", module), config.read_text("utf-8"))  # fmt: skip
        assert replaced == 2, "[tool.mutmut] names what it changes and the tests once each"
        config.write_text(text, "utf-8")
        mutmut = [sys.executable, "-m", "mutmut"]
        environment = os.environ | ENVIRONMENT | {"PYTHONPATH": ""}
        done = subprocess.run([*mutmut, "run"], cwd=folder, env=environment, text=True,
                              stdout=None if sys.stdout.isatty() else subprocess.PIPE)  # fmt: skip
        if done.returncode:
            sys.exit(f"mutmut did not get through {module}:\n{(done.stdout or '')[-4000:]}")
        codes = json.loads((folder / "mutants" / "lecturelib" / f"{module}.py.meta").read_text())["exit_code_by_key"]
        alive = [name for name, code in codes.items() if code in ALIVE]
        shown = [subprocess.run([*mutmut, "show", name], cwd=folder, env=environment, check=True,
                                capture_output=True, text=True).stdout for name in alive]  # fmt: skip
    return len(codes), [change(module, each) for each in shown]


def change(module: str, diff: str) -> Change:
    """Read a mutant from the diff that mutmut shows."""
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    old, new = ("\n".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return Change(module, old, new)


def main() -> None:
    """Run the modules that are named, or all; print what survives, and exit with 1 where it should not."""
    names = sys.argv[1:] or list(MODULES)
    if unknown := set(names) - set(MODULES):
        sys.exit(f"there is no module {', '.join(sorted(unknown))}: expected some of {', '.join(MODULES)}")
    kinds = tomllib.loads(LISTED.read_text("utf-8"))
    reasons = {Change(*each): reason for reason, alike in kinds.items() for each in alike}
    faults, rows = [], ""
    for module in names:
        count, alive = run(module)
        print(f"{module}: {count} mutants, {len(alive)} survive: {len(alive) / count:.1%}", flush=True)
        if len(alive) > BAR * count:
            faults.append(f"{module}: more than {BAR:.0%} survive: write tests, or read and list them")
        rows += "".join(f"    {json.dumps(each)},\n" for each in alive if not reasons.get(each))
        gone = [each for each in reasons if each.module == module and each not in alive]
        faults += [f"{module}: listed, but killed: {each.old!r} -> {each.new!r}" for each in gone]
    if rows:
        faults.append(f'"" = [\n{rows}]')  # to be pasted: a key may stand only once
    print("\n\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
