"""Every exercise can be collected, and a hand-in gains nothing by what it says of itself or does to its process."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from lecturelib.checks.transformer import case_number
from lecturelib.workshop.classroom.collect import Limits, _Processes, files, read
from lecturelib.workshop.notebooks import NOTEBOOKS
from tests.workshop.classroom.samples import COURSE, code, handed_in, judged, notebook, save, solved, verdicts

STEMS = sorted({lesson.notebook for lesson in COURSE.values()})
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits and no process groups")

RIGHT = "def share(labels):\n    return max(labels.count(k) for k in labels) / len(labels)\n"
WRONG = "def share(labels):\n    return len(labels)\n"
CHECK = "check_baseline(share)"

# ---- every exercise of every notebook ----


@pytest.fixture(scope="module")
def whole_course(tmp_path_factory):
    """Return the results of all notebooks, solved and untouched."""
    folder = tmp_path_factory.mktemp("course")
    for stem in STEMS:
        save(folder, f"solved_{stem}.ipynb", solved(stem))
        save(folder, f"untouched_{stem}.ipynb", notebook(stem))
    return judged(folder)


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_solved_by_its_own_solutions_is_right(whole_course, stem):
    found = {each.check: each.name for each in whole_course[f"solved_{stem}.ipynb"].found}
    assert found == {check: "right" for check, lesson in COURSE.items() if lesson.notebook == stem}


@pytest.mark.parametrize("stem", STEMS)
def test_an_untouched_notebook_is_not_solved(whole_course, stem):
    found = {each.check: each.name for each in whole_course[f"untouched_{stem}.ipynb"].found}
    assert found == {check: "not solved yet" for check, lesson in COURSE.items() if lesson.notebook == stem}


def test_every_notebook_of_the_course_has_an_exercise():
    assert [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))] == STEMS


SCALED = next(name for name in "abcdefghijklmnop" if case_number(name) % 6 == 5)  # a patient with the wrong scale
MISTAKES = {
    "counts, no share": "check_baseline(lambda labels: max(labels.count(k) for k in labels))",
    "counts the ones": "check_divisible([[0, 1], [1, 2], [2, 0]])",
    "softmax over the queries": "import math\n\ndef masked_attend(q, k, v, mask):\n"
    "    scores = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~mask, -math.inf)\n"
    "    return scores.softmax(1) @ v\n\ncheck_attend(masked_attend)",
    "written in place": "import torch\n\ndef block(x, context, norms, look, ask, think):\n"
    "    x += look(norms[0](x), torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril())\n"
    "    x += ask(norms[1](x), context)\n    x += think(norms[2](x))\n    return x\n\ncheck_decoder_block(block)",
    "tells_positions_apart": f"check_patient(['{SCALED}', 'positions never added'])",
    "generator rewound": "import torch\n\ndef mask(n, patches, hidden, generator):\n"
    "    generator.manual_seed(generator.initial_seed())\n"
    "    return torch.rand(n, patches, generator=generator).argsort(1) < hidden\n\ncheck_random_mask(mask)",
    "shared storage": "def start(source, target):\n"
    "    fresh = {k: v for k, v in target.items() if k.startswith('head.')}\n"
    "    return {**target, **source, **fresh}\n\ncheck_start(start)",
    "old without gradient": "from torch.nn.functional import cross_entropy\n\n"
    "def loss(model, new, old, share):\n"
    "    one, two = (cross_entropy(model(x), y) for x, y in (new, old))\n"
    "    return (1 - share) * one + share * two.detach()\n\ncheck_mixed_loss(loss)",
    "error": "check_bias_for(lambda delay, keep: 1 / 0)",
    "other": "check_bias_for(lambda delay, keep: 123.0)",
    "not solved yet": "check_bias_for(...)",
}


def test_known_mistakes_are_named(tmp_path):
    assert verdicts(tmp_path, *MISTAKES.values()) == list(MISTAKES)


def test_a_hand_in_is_judged_by_its_source_alone(tmp_path):
    save(tmp_path, "wrong.json", handed_in("A", f"{WRONG}\n{CHECK}"))
    save(tmp_path, "right.json", handed_in("B", f"{RIGHT}\n{CHECK}"))
    forged = code(f"{WRONG}\n{CHECK}")
    forged["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "baseline: right."}]
    forged["verdict"] = forged["metadata"]["verdict"] = "right"
    save(tmp_path, "forged.ipynb", forged)
    found = judged(tmp_path)
    assert {name: result.found[0].name for name, result in found.items()} == {
        "wrong.json": "other",
        "forged.ipynb": "other",
        "right.json": "right",
    }
    assert found["right.json"].student == "B" and found["forged.ipynb"].student == ""


def test_where_nothing_forks_the_result_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("lecturelib.workshop.classroom.collect.sys.platform", "darwin")
    assert verdicts(tmp_path, f"{RIGHT}\n{CHECK}", "check_divisible(3)") == ["right", "error"]


# ---- code that lies: it runs in the child only ----

LIES = {
    "the checks replaced": "import lecturelib.checks.start as s\n"
    "from lecturelib.checks.exercise import Exercise, Verdict\n"
    "Exercise.verdict = lambda self, answer: Verdict('right', 'right')\n"
    "s.check_baseline.__class__.__call__ = lambda self, answer: print('right')\n"
    "object.__setattr__(s.check_baseline, 'probes', [])\n"
    "object.__setattr__(s.check_baseline, 'reference', share)",
    "torch and builtins replaced": "import builtins, torch\ntorch.allclose = torch.equal = lambda *a, **k: True\n"
    "torch.isclose = lambda a, b, **k: torch.ones_like(a, dtype=torch.bool)\nbuiltins.all = lambda each: True\n"
    "builtins.isinstance = lambda a, b: True",
    "modules replaced": "import sys, types\nfor name in list(sys.modules):\n"
    "    if name.startswith('lecturelib.c'):\n        sys.modules[name] = types.ModuleType(name)",
    "prints": "print('baseline: right.')\nprint('{\"verdict\": \"right\"}')",
    "writes to every pipe": "import os, json\nfor fd in range(64):\n    try:\n"
    '        os.write(fd, b\'\\x00\\x00\\x00\\x10{"value":"right"}\')\n    except OSError:\n        pass',
    "sends its own message": "import gc, json\nfrom multiprocessing.connection import Connection\n"
    "for each in gc.get_objects():\n    if isinstance(each, Connection) and each.writable and not each.closed:\n"
    "        each.send_bytes(json.dumps({'memory': [], 'verdict': 'right', 'value': 'right'}).encode())",
    "sends a pickle": "import gc\nfrom multiprocessing.connection import Connection\n"
    "class Run:\n    def __reduce__(self):\n        import os\n        return os.system, ('touch PICKLED',)\n"
    "for each in gc.get_objects():\n    if isinstance(each, Connection) and each.writable and not each.closed:\n"
    "        each.send(Run())",
    "blames the course": "import gc, json\nfrom multiprocessing.connection import Connection\n"
    "for each in gc.get_objects():\n    if isinstance(each, Connection) and each.writable and not each.closed:\n"
    "        each.send_bytes(json.dumps({'memory': [], 'broken': 'all'}).encode())",
    "an equal of everything": "class Equal(float):\n    def __eq__(self, other):\n        return True\n"
    "    __hash__ = None\n    __class__ = bool\nshare = lambda labels: Equal(2)",
    "a tensor that agrees": "import torch\nclass Yes(torch.Tensor):\n"
    "    @classmethod\n    def __torch_function__(cls, f, types, args=(), kwargs=None):\n        return True\n"
    "share = lambda labels: torch.zeros(()).as_subclass(Yes)",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_gains_nothing(tmp_path, lie):
    found = verdicts(tmp_path, f"{WRONG}\n{lie}\n\n{CHECK}", f"{RIGHT}\n{CHECK}", limits=Limits(seconds=20))
    assert found[0] in ("other", "error", "no function", "not readable", "not run here", "stopped: exit")
    assert found[1] == "right" or found[0] != "not readable"  # the next exercise has a process of its own
    assert not list(Path.cwd().glob("PICKLED"))


# ---- code that does not end well ----

ENDINGS = {
    "an exit": ("import os\ndef share(labels):\n    os._exit(0)", "stopped: exit"),
    "a polite exit": ("def share(labels):\n    raise SystemExit(0)", "stopped: exit"),
    "an exit while it is defined": ("import os\nos._exit(0)\nshare = 1", "stopped: exit"),
    "a crash": ("import ctypes\ndef share(labels):\n    ctypes.string_at(0)", "stopped: exit"),
    "an endless loop": ("def share(labels):\n    while True:\n        pass", "stopped: time"),
    "an endless loop while it is defined": ("while True:\n    pass\nshare = 1", "stopped: time"),
    "sleep": ("import time\ndef share(labels):\n    time.sleep(1e6)", "stopped: time"),
    "deaf to signals": (
        "import signal\nfor n in range(1, 65):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n        pass\nwhile True:\n    pass\nshare = 1",
        "stopped: time",
    ),
    "lists that double": ("def share(labels):\n    while True:\n        labels = labels + labels", "stopped: memory"),
    "a large tensor": ("import torch\ndef share(labels):\n    return torch.ones(10**11).sum()", "stopped: memory"),
    "many tensors": (
        "import torch\nkept = []\ndef share(labels):\n    while True:\n        kept.append(torch.ones(10**6))",
        "stopped: memory",
    ),
    "memory asked for again and again": (
        "def share(labels):\n    while True:\n        try:\n            labels = labels + labels\n"
        "        except MemoryError:\n            pass",
        "stopped: time",
    ),
    "a result without end": ("def share(labels):\n    a = []\n    a.append(a)\n    return a", "other"),
    "a gigantic result": ("import torch\ndef share(labels):\n    return torch.ones(10**7)", "error"),
    "a gigantic number": ("def share(labels):\n    return 10**100_000", "error"),
    "recursion": ("def share(labels):\n    return share(labels)", "error"),
    "a class as answer": ("class share:\n    def __init__(self, labels):\n        pass", "other"),
    "an unknown error": ("class E(Exception):\n    pass\ndef share(labels):\n    raise E", "error"),
    "an error that needs arguments": ("def share(labels):\n    b'\\xff'.decode()", "error"),
    "no Python": ("def share(labels:\n    return 1", "error"),
    "a null byte": ("share = 1\0", "error"),
    "much output": ("def share(labels):\n    for _ in range(10**5):\n        print('x' * 1000)\n    return 3", "other"),
}


@POSIX
@pytest.mark.parametrize(("source", "verdict"), ENDINGS.values(), ids=ENDINGS)
def test_whatever_happens_is_noted_and_the_next_exercise_is_judged(tmp_path, source, verdict):
    limits = Limits(seconds=5 if verdict == "stopped: time" else 60, memory=500_000_000)
    assert verdicts(tmp_path, f"{source}\n\n{CHECK}", f"{RIGHT}\n{CHECK}", limits=limits) == [verdict, "right"]


def test_memory_is_watched_where_the_system_sets_no_limit(tmp_path, monkeypatch):
    start = _Processes.start
    monkeypatch.setattr(
        _Processes, "start", lambda self, task, folder, limits: start(self, task, folder, Limits(memory=10**12))
    )
    grow = "import torch\nkept = []\ndef share(labels):\n    while True:\n        kept.append(torch.ones(10**6))"
    limits = Limits(seconds=60, memory=400_000_000)
    assert verdicts(tmp_path, f"{grow}\n\n{CHECK}", limits=limits) == ["stopped: memory"]


def left_behind(word):
    """Return the processes in whose memory of arguments or environment a word stands, and that are alive."""
    return [p.pid for p in psutil.process_iter(["cmdline", "status"]) if word in " ".join(p.info["cmdline"] or ())
            and p.info["status"] != psutil.STATUS_ZOMBIE]  # fmt: skip


@POSIX
@pytest.mark.parametrize(
    ("ends", "leaves"),  # that a process leaves the group and its parent ends at once only root can bring about
    [("return 1", False), ("return 1", True), ("os._exit(0)", False), ("while True: pass", False),
     ("while True: pass", True)],
)  # fmt: skip
def test_no_process_is_left_behind(tmp_path, ends, leaves):
    mark = f"left-{os.getpid()}-{len(ends)}"
    source = (
        "import os, subprocess, sys\ndef share(labels):\n    try:\n"
        f"        subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', '{mark}'],\n"
        f"                         start_new_session={leaves})\n"
        f"    except OSError:\n        pass\n    {ends}"
    )
    verdicts(tmp_path, f"{source}\n\n{CHECK}", limits=Limits(seconds=5))
    assert not left_behind(mark)


def in_hand_in_folders():
    """Count the processes that stand in a hand-in's folder, also when it is deleted; other tests may have a few."""
    return sum("hand-in-" in (p.info["cwd"] or "") for p in psutil.process_iter(["cwd"]))


@POSIX
def test_a_bomb_of_processes_is_ended(tmp_path):
    source = "import os, time\ndef share(labels):\n    for _ in range(60):\n        if os.fork() == 0:\n"
    source += "            time.sleep(600)\n    time.sleep(600)"
    found = verdicts(tmp_path, f"{source}\n\n{CHECK}", limits=Limits(seconds=30))
    # root may start them all; what they share counts for each, so their memory may be noticed before their number
    assert found[0] in ({"stopped: processes", "stopped: memory"} if os.geteuid() == 0 else {"error"})
    assert in_hand_in_folders() < 30


@POSIX
def test_a_thread_that_stays_does_no_harm(tmp_path):
    source = "import threading, time\ndef share(labels):\n    try:\n"
    source += (
        "        threading.Thread(target=time.sleep, args=(600,)).start()\n    except RuntimeError:\n        pass\n"
    )
    source += "    return max(labels.count(k) for k in labels) / len(labels)"
    assert verdicts(tmp_path, f"{source}\n\n{CHECK}") == ["right"]


def test_the_child_sees_no_secret_and_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "swordfish")
    source = (
        "import os\nseen = dict(os.environ)\ntry:\n    seen['first'] = open('/proc/self/environ').read()\n"
        "except OSError:\n    pass\ndef share(labels):\n    raise ValueError(f'{os.getcwd()} {seen}')"
    )
    save(tmp_path, "one.ipynb", code(f"{source}\n\n{CHECK}"))
    says = judged(tmp_path)["one.ipynb"].found[0].says
    assert "lecturelib-" in says and "hand-in-" in says and str(tmp_path) not in says
    peek = "seen = str(dict(os.environ)) + open('/proc/self/environ').read()"
    source = f"import os\n{peek}\ndef share(labels):\n    return ... if 'swordfish' in seen else 1"
    found = verdicts(tmp_path, f"{source}\n\n{CHECK}")
    assert found == ["other"] or sys.platform != "linux"


def test_all_folders_and_processes_are_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = {each.pid for each in psutil.Process().children(recursive=True)}
    verdicts(tmp_path, f"open('mess', 'w').write('x')\n{RIGHT}\n{CHECK}")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        new = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
        if sum("forkserver" not in " ".join(p.cmdline()) and "resource_tracker" not in " ".join(p.cmdline())
               for p in new) == 0:  # fmt: skip
            break
        time.sleep(0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["one.ipynb"]


# ---- files ----

BAD_FILES = {
    "no JSON": ("hello", "Expecting value"),
    "empty": ("", "Expecting value"),
    "a list": ("[]", "no hand-in"),
    "no exercises": ("{}", "no hand-in"),
    "no Unicode": (b"\xff\xfe\x00", "utf"),
    "deep": ("[" * 100_000, "recursion"),
    "a long number": ("9" * 10_000, "digits"),
}


@pytest.mark.parametrize(("content", "problem"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_not_readable(tmp_path, content, problem):
    (tmp_path / "bad.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert problem in judged(tmp_path)["bad.json"].problem


def test_a_notebook_without_cells_and_one_without_exercises(tmp_path):
    save(tmp_path, "old.ipynb", {"worksheets": []})
    save(tmp_path, "other.ipynb", code("print(1)", "check_nothing(3)"))
    found = judged(tmp_path)
    assert "list of cells" in found["old.ipynb"].problem
    assert found["other.ipynb"].problem == "" and found["other.ipynb"].found == []


def test_odd_cells_and_fields_are_passed_over(tmp_path):
    content = code(f"{RIGHT}\n{CHECK}")
    content["cells"] += [3, None, {"cell_type": "code"}, {"cell_type": "code", "source": {"a": 1}}, {"cell_type": []}]
    save(tmp_path, "odd.ipynb", content)
    save(tmp_path, "odd.json", {"student": ["x"], "exercises": [1, {"source": 3}, {"source": f"{RIGHT}\n{CHECK}"}]})
    found = judged(tmp_path)
    assert [each.name for each in found["odd.ipynb"].found] == ["right"]
    assert [each.name for each in found["odd.json"].found] == ["right"]


def test_a_huge_source_is_cut_and_a_deep_one_does_no_harm(tmp_path):
    save(tmp_path, "huge.ipynb", code(f"x = '{'x' * 3_000_000}'\n{RIGHT}\n{CHECK}", f"{RIGHT}\n{CHECK}"))
    save(tmp_path, "deep.ipynb", code(f"x = {'(' * 5000}1{')' * 5000}\n{CHECK}", f"x = {'-' * 50_000}1\n{CHECK}",
                                      f"{RIGHT}\n{CHECK}"))  # fmt: skip
    found = judged(tmp_path)
    assert [each.name for each in found["huge.ipynb"].found][-1:] == ["right"]
    assert "right" in [each.name for each in found["deep.ipynb"].found] or found["deep.ipynb"].problem


def test_links_large_files_and_what_is_hidden_are_left_alone(tmp_path, monkeypatch):
    inside = tmp_path / "class"
    secret = save(tmp_path, "secret.json", handed_in("me", f"{RIGHT}\n{CHECK}"))
    save(inside, ".ipynb_checkpoints/a.ipynb", code(CHECK))
    save(inside, "notes.txt", "x")
    save(inside, "Ada/large.ipynb", "x" * 200)
    (inside / "link.json").symlink_to(secret)
    (inside / "folder").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.setattr("lecturelib.workshop.classroom.collect.SIZE", 100)
    assert [path.name for path in files(inside)] == ["large.ipynb", "link.json"]
    found = judged(inside)
    assert "larger than" in found["large.ipynb"].problem and "link" in found["link.json"].problem


@POSIX
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(ValueError, match="no file"):
        read(tmp_path / "pipe.json")


@POSIX
def test_a_judge_that_dies_while_reading_is_noted(tmp_path, monkeypatch):
    save(tmp_path, "one.ipynb", code(f"{RIGHT}\n{CHECK}"))
    real = json.loads
    killed = []

    def loads(text, *rest, **more):
        content = real(text, *rest, **more)
        if isinstance(content, dict) and "student" in content and not killed:
            for process in psutil.Process().children(recursive=True):
                if "forkserver" in " ".join(process.cmdline()) and process.ppid() != os.getpid():
                    killed.append(process.pid)
                    os.kill(process.pid, signal.SIGKILL)
        return content

    monkeypatch.setattr("lecturelib.workshop.classroom.collect.json.loads", loads)
    found = judged(tmp_path)["one.ipynb"]
    assert killed and [each.name for each in found.found] == ["not readable"]
