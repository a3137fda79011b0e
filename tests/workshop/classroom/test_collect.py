"""Every exercise can be collected, and a hand-in gains nothing by what it says of itself or does to its process.

An attack counts as won if its file is judged "right": each looks for what it should not have, and answers right then.
"""

import os
import socket
import subprocess
import sys
import time
from multiprocessing import forkserver
from pathlib import Path
from textwrap import indent

import psutil
import pytest

from lecturelib.workshop.classroom.collect import Limits, _Desk, collect
from lecturelib.workshop.classroom.files import Listing
from lecturelib.workshop.classroom.sandbox import SAME_ACCOUNT, Sandbox, choose
from tests.tools import require
from tests.workshop.classroom.samples import (
    BUBBLEWRAP,
    CHECK,
    COURSE,
    RIGHT,
    WRONG,
    code,
    handed_in,
    isolated,
    judged,
    notebook,
    save,
    solved,
)

STEMS = sorted(set(COURSE.values()))
MARK = f"left-{os.getpid()}"
EACH = """import gc
from multiprocessing.connection import Connection
for each in gc.get_objects():
    if type(each) is Connection:
        """
FORGED = b'{"memory": [], "verdict": "right", "value": "right", "result": "right"}'
NO_MEMORY = b'{"memory": [""], "value": {"tensor": ["float64", 0, 0, [9], [0]]}}'


def some(loop: str, action: str) -> str:
    """Code that tries something again and again, and has won if it succeeds once."""
    return f"import os\nwon = False\nfor x in {loop}:\n    try:\n        {action}\n        won = True\n" \
           f"    except OSError:\n        pass"  # fmt: skip


def called(source: str) -> str:
    """An answer that does all this when it is called: what stands beside an answer and is not needed never runs."""
    return f"def share(labels):\n{indent(source, '    ')}\n    return len(labels)\n"


# What the code does, and then `won`: whether it has what it should not have. {tree}, {port} are filled in.
GRABS = {
    "reads the hand-ins": "import os\nwon = os.path.exists('{tree}')",
    "reads passwords": "import os\nkeys = os.path.join('/root', '.ssh')\n"
    "won = any(map(os.path.exists, ('/etc/passwd', keys, '/home', '/var')))",
    "reads variables": "import os\nwon = 'swordfish' in str(os.environ) or 'SECRET' in os.environ",
    "reads memory": some("range(1, 9999)", "open('/proc/%d/mem' % x)"),
    "sees processes": "import os\nwon = any(name.isdigit() for name in os.listdir('/proc'))",
    "signals others": some("range(2, 9999)", "os.kill(x, 0)") + "\n" + some("(-1, os.getppid())", "x and os.kill(x, 9)")
    + "\nwon = False",
    "reaches this machine": "import socket\n" + some("[{port}]", "socket.create_connection(('127.0.0.1', x), 2)"),
    "writes elsewhere": "import torch, lecturelib.checks.start as s\n"
    + some("(s.__file__, torch.__file__, '/x', '/dev/x', '/proc/../x', '/usr/x', '{tree}/x')", "open(x, 'a')"),
    "fills the disk": some("[3]", "[open(str(n), 'wb').write(bytes(15_000_000)) for n in range(x)]"),
    "makes files without end": some("[50_000]", "[open(str(n), 'w').close() for n in range(x)]"),
    "memory that belongs to nobody": "import os\n" + some("'x'", "os.memfd_create(x)"),
    "reaches the server of forks": "import socket\n"
    + some("['{fork}']", "socket.socket(socket.AF_UNIX).connect(x)"),
    "shared memory": "import ctypes\nwon = ctypes.CDLL(None).shmget(0, 4096, 0o1600) >= 0",
    "mounts": "import ctypes\nc = ctypes.CDLL(None)\n"
    "won = c.mount(b'proc', b'/proc', b'proc', 0, None) == 0 or c.umount2(b'/proc', 2) == 0",
    "leaves something": "import os\nwon = os.path.exists('left')\nopen('left', 'w').write('x')",
    "finds something": "import os\nwon = os.path.exists('left')\nopen('left', 'w').write('x')",
}  # fmt: skip
LIES = {
    "the checks replaced": "import lecturelib.checks.start as s\n"
    "from lecturelib.checks.exercise import Exercise, Verdict\n"
    "Exercise.verdict = lambda self, answer: Verdict('right', 'right')\n"
    "object.__setattr__(s.check_baseline, 'reference', share)",
    "torch and builtins replaced": "import builtins, torch\ntorch.allclose = torch.equal = lambda *a, **k: True\n"
    "builtins.all = lambda each: True\nbuiltins.isinstance = lambda a, b: True",
    "writes to every pipe": some(
        "range(64)", f"os.write(x, len({FORGED!r}).to_bytes(4, 'big') + {FORGED!r})"
    ),
    "sends its own answer": f"{EACH}each.send_bytes({FORGED!r})",
    "sends a pickle": EACH + "each.send_bytes(b'cos\\nsystem\\n(S\"touch PICKLED\"\\ntR.')",
    "half a message": EACH + "import os; os.write(each.fileno(), b'\\0\\0\\1\\0half')\nos._exit(0)",
    "a long message": EACH + "import os; os.write(each.fileno(), b'\\x7f\\xff\\xff\\xff' + b'x' * 99999)",
    "a tensor without memory": f"{EACH}each.send_bytes({NO_MEMORY!r})",
    "an equal of everything": "class Equal(float):\n    def __eq__(self, other):\n        return True\n"
    "    __hash__ = None\n    __class__ = bool\nshare = lambda labels: Equal(2)",
    "a tensor that agrees": "import torch\nclass Yes(torch.Tensor):\n    @classmethod\n"
    "    def __torch_function__(cls, f, types, args=(), kwargs=None):\n        return True\n"
    "share = lambda labels: torch.zeros(()).as_subclass(Yes)",
}  # fmt: skip
ENDINGS = {
    "an exit": ("import os\ndef share(labels):\n    os._exit(0)", "stopped: exit"),
    "a polite exit": ("def share(labels):\n    raise SystemExit(0)", "error"),
    "a crash": ("import ctypes\ndef share(labels):\n    ctypes.string_at(0)", "stopped: exit"),
    "a large tensor": ("import torch\ndef share(labels):\n    return torch.ones(10**11).sum()", "stopped: memory"),
    "a result without end": ("def share(labels):\n    a = []\n    a.append(a)\n    return a", "other"),
    "a gigantic result": ("import torch\ndef share(labels):\n    return torch.ones(10**7)", "error"),
    "recursion": ("def share(labels):\n    return share(labels)", "error"),
    "no Python": ("def share(labels:\n    return 1", "error"),
    "folders in folders": (called("import os\nfor n in range(3000):\n    os.mkdir('d')\n    os.chdir('d')"), "other"),
    "processes that stay": ("import subprocess, sys\nstarted = []\ndef share(labels):\n    for new in (True, False):\n"
                            "        if len(started) < 2:\n"
                            "            started.append(subprocess.Popen([sys.executable, '-c', 'import time; "
                            f"time.sleep(600)', '{MARK}'], start_new_session=new))\n    return 7", "other"),
    "threads": (f"import threading, time\n{RIGHT}old = share\ndef share(labels):\n"
                "    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
                "    return old(labels)", "right"),
    "nothing": ("def share(labels):\n    max(labels)", "nothing returned"),
    "the result": ("share = 0.5", "no function"),
}  # fmt: skip
BUDGETS = {
    "an endless loop": ("def share(labels):\n    while True:\n        pass", "stopped: time"),
    "sleep while it is defined": ("import time\nshare = time.sleep(600)", "stopped: time"),
    "half a message": (called(f"{EACH}import os; os.write(each.fileno(), b'\\0\\0\\1\\0half')\n"
                              "import time\ntime.sleep(600)"), "stopped: time"),
    "a bomb": ("import os, time\ndef share(labels):\n    for _ in range(60):\n        if os.fork() == 0:\n"
               "            time.sleep(600)\n    time.sleep(600)", "stopped: processes"),
    "memory of several": ("import os, time\ndef share(labels):\n    for _ in range(5):\n        if os.fork() == 0:\n"
                          "            kept = b'x' * 390_000_000\n            time.sleep(600)\n    time.sleep(600)",
                          "stopped: memory"),
}  # fmt: skip
BAD_FILES = {
    "hello": ("hello", "Expecting value"),
    "a_list": ("[]", "expected an object"),
    "no_exercises": ("{}", "expected a list of exercises"),
    "no_unicode": (b"\xff\xfe\x00", "utf"),
    "nested": ("[" * 100_000, "recursion"),
    "old": ('{"worksheets": []}', "one of cells"),
}
LARGE = {"cell_type": "code", "source": f"{RIGHT}\n{CHECK}", "outputs": [{"data": {"image/png": "x" * 25_000_000}}]}
FORGED_OUTPUT = [{"output_type": "stream", "name": "stdout", "text": "baseline: right."}]
ODD = {
    "forged.ipynb": {"verdict": "right", "cells": [{"cell_type": "code", "source": f"{WRONG}\n{CHECK}",
                                                    "outputs": FORGED_OUTPUT}]},
    "large.ipynb": {"cells": [LARGE, 3, None, {"cell_type": "code"}, {"cell_type": []}]},
    "odd.json": {"student": ["x"], "exercises": [1, {"source": 3}, {"source": f"{RIGHT}\n{CHECK}"}]},
    "huge.ipynb": code(f"x = '{'x' * 3_000_000}'\n{RIGHT}\n{CHECK}", f"{RIGHT}\n{CHECK}"),
    "deep.ipynb": code(f"x = {'(' * 5000}1{')' * 5000}\n{CHECK}", f"x = {'-' * 50_000}1\n{CHECK}", f"{RIGHT}\n{CHECK}"),
    "shell.ipynb": code("\n".join("!ls" for _ in range(20_000)), f"{RIGHT}\n{CHECK}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return the names of the verdicts, or the problem, of one class that hands in all of this, by place."""
    folder = tmp_path_factory.mktemp("class")
    server = socket.create_server(("127.0.0.1", 0))
    forkserver.ensure_running()
    fill = {"fork": forkserver._forkserver._forkserver_address, "tree": folder, "port": server.getsockname()[1]}
    for stem in STEMS:
        save(folder, f"solved/{stem}.ipynb", solved(stem))
        save(folder, f"untouched/{stem}.ipynb", notebook(stem))
    for name, grab in GRABS.items() if isolated() else ():  # never under an account that somebody works with
        save(folder, f"grabs/{name}.ipynb", code(f"{grab.format(**fill)}\nold = won\n{RIGHT}\nright = share\n"
             f"def share(labels):\n    return right(labels) if won else 7\n\n{CHECK}"))  # fmt: skip
    for name, lie in LIES.items():
        lie = lie if "share =" in lie else called(lie)
        save(folder, f"lies/{name}.ipynb", code(f"{lie}\n{CHECK}", f"{RIGHT}\n{CHECK}"))
    for name, (source, _) in ENDINGS.items():
        save(folder, f"endings/{name}.ipynb", code(f"{source}\n\n{CHECK}", f"{RIGHT}\n{CHECK}"))
    for name, (content, _) in BAD_FILES.items():
        (folder / f"{name}.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, content in ODD.items():
        save(folder, name, content)
    os.environ["SECRET"] = "swordfish"
    try:
        with server:
            results = judged(folder)
    finally:
        del os.environ["SECRET"]
    return {place: each.problem or [verdict.name for verdict in each.found] for place, each in results.items()}


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_solved_by_its_own_solutions_is_right_and_an_untouched_one_is_not_solved(found, stem):
    exercises = list(COURSE.values()).count(stem)
    assert found[f"solved/{stem}.ipynb"] == ["right"] * exercises
    assert found[f"untouched/{stem}.ipynb"] == ["not solved yet"] * exercises


@pytest.mark.parametrize("name", GRABS)
def test_a_hand_in_reaches_nothing_outside(found, name):
    require(isolated(), BUBBLEWRAP)
    assert found[f"grabs/{name}.ipynb"] == ["other"]


@pytest.mark.parametrize("name", LIES)
def test_a_lie_gains_nothing(found, name):
    first, second = found[f"lies/{name}.ipynb"]
    assert first in ("other", "error", "no function", "not readable", "stopped: exit") and second == "right"
    assert not list(Path.cwd().glob("PICKLED"))


@pytest.mark.parametrize("name", ENDINGS)
def test_whatever_happens_is_noted_and_the_next_exercise_is_judged(found, name):
    assert found[f"endings/{name}.ipynb"] == [ENDINGS[name][1], "right"]


def test_no_process_is_left_behind(found):
    time.sleep(0.5)  # what is killed goes at once, but not in no time
    assert not [each for each in psutil.process_iter(["cmdline", "status"]) if MARK in (each.info["cmdline"] or ())
                and each.info["status"] != psutil.STATUS_ZOMBIE]  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_a_row_that_says_so(found, name):
    assert BAD_FILES[name][1] in found[f"{name}.json"]


def test_only_the_source_counts_and_odd_or_large_parts_are_passed_over(found):
    assert {name: found[name][-1] for name in ODD} == dict.fromkeys(ODD, "right") | {"forged.ipynb": "other"}


def test_budgets_end_what_is_too_slow_or_too_large(tmp_path):
    require(isolated(), BUBBLEWRAP)
    for name, (source, _) in BUDGETS.items():
        save(tmp_path, f"{name}.ipynb", code(f"{source}\n\n{CHECK}"))
    found = judged(tmp_path, Limits(seconds=4, memory=500_000_000))
    assert {name: found[f"{name}.ipynb"].found[0].name for name in BUDGETS} == {k: v for k, (_, v) in BUDGETS.items()}


def test_under_the_same_account_the_result_is_the_same(tmp_path):
    save(tmp_path, "one.ipynb", code(f"{RIGHT}\n{CHECK}", "import os\ncheck_divisible(os._exit(0))"))
    (found,) = collect(Listing(tmp_path).found, Sandbox(SAME_ACCOUNT), Limits(seconds=200))
    assert [each.name for each in found.found] == ["right", "stopped: exit"]


@pytest.mark.parametrize(("after", "wanted"), [(2, ["not readable", "right"]), (3, ["right", "not readable"])])
def test_a_judge_that_ends_is_one_verdict_and_the_rest_is_judged(tmp_path, monkeypatch, after, wanted):
    for name in "ab":
        save(tmp_path, f"{name}.json", handed_in(name, *[f"{RIGHT}\n{CHECK}"] * 2))
    allow, allowed = _Desk._allow, []

    def allow_and_kill(self, *budget):
        allow(self, *budget)
        allowed.append(budget)
        if len(allowed) == after:  # the first is for its start
            self.judge.kill()
            self.news.close()

    monkeypatch.setattr(_Desk, "_allow", allow_and_kill)
    found = collect(Listing(tmp_path).found, Sandbox(SAME_ACCOUNT), Limits(seconds=200))
    assert [[each.name for each in result.found] for result in found] == [wanted, ["right"] * 2]


# ---- which isolation ----


def test_without_isolation_strangers_are_refused_and_the_choice_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ValueError, match="install bubblewrap"):
        choose("lecture", same_account=False)
    assert "under this account" in choose("lecture", same_account=True).words
    assert Sandbox("podman", "lecture").words == "Each hand-in runs isolated, in podman (lecture)."


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_a_container_has_no_network_no_rights_and_limits(tmp_path, monkeypatch):
    """A stand-in for podman writes down how it is called, and runs the command that it is given."""
    program = tmp_path / "podman"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n[ "$1" = run ] || exit 0\n'
        f'while [ "$1" != lecture ]; do shift; done; shift 2\nexec {sys.executable} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    save(tmp_path, "in/one.ipynb", code(f"{RIGHT}\n{CHECK}", "import time\ncheck_divisible(time.sleep(600))"))
    sandbox = Sandbox("podman", "lecture")
    assert sandbox.works()
    (found,) = collect(Listing(tmp_path / "in").found, sandbox, Limits(seconds=4))
    assert [each.name for each in found.found] == ["right", "stopped: time"]
    run = next(line for line in (tmp_path / "called").read_text().splitlines() if line.startswith("run"))
    for word in ("--network=none", "--read-only", "--cap-drop=all", "--pids-limit=64", "--memory=1700000000", "--rm"):
        assert word in run
    assert "kill lecture-" in (tmp_path / "called").read_text()


def test_bubblewrap_is_left_with_its_collector(tmp_path):
    """Nothing runs on when the collector is killed."""
    require(isolated(), BUBBLEWRAP)
    save(tmp_path, "one.ipynb", code(f"import time\nshare = time.sleep(600)\n{CHECK}"))
    script = "import sys\nfrom pathlib import Path\nfrom tests.workshop.classroom.samples import judged\n"
    script += "judged(Path(sys.argv[1]))"
    process = subprocess.Popen([sys.executable, "-c", script, tmp_path], cwd=Path(__file__).parents[3])
    deadline = time.monotonic() + 300
    family = []
    try:
        while not any("--nursery" in " ".join(each.cmdline()) for each in family) and time.monotonic() < deadline:
            time.sleep(0.5)
            family = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.wait()
    assert family
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family):
        assert time.monotonic() < deadline
        time.sleep(0.1)
