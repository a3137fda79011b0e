"""Exercises are found in whatever became of a notebook."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lecturelib.checks.start import check_baseline
from lecturelib.workshop.classroom.cells import attempts, parse
from lecturelib.workshop.classroom.child import make
from lecturelib.workshop.classroom.course import exercise_of, read
from lecturelib.workshop.notebooks import NOTEBOOKS
from tests.workshop.classroom.samples import COURSE, notebook, solved

KNOWN = {"check_one", "check_two"}


def answers(*cells):
    """Run what was found for each check, and return (check, what the answer is)."""
    found = []
    for each in attempts(list(cells), KNOWN):
        names = {}
        exec(each.source, names)
        found.append((each.check, eval(each.answer, names)))
    return found


def test_a_cell_with_a_check_is_found_and_the_check_is_taken_out():
    (found,) = attempts(["x = 1", "def f():\n    return 3  # three\n\n\ncheck_one(f)\ncheck_one.hints()"], KNOWN)
    assert found.check == "check_one" and found.answer == "f" and "check" not in found.source
    assert found.written.startswith("def f():\n    return 3  # three") and found.written.endswith("check_one.hints()")


MESSES = {
    "two exercises in one cell": (["a, b = 1, 2\ncheck_one(a)\ncheck_two(b)"], [("check_one", 1), ("check_two", 2)]),
    "solved further down": (["a = ...\ncheck_one(a)", "a = 1\ncheck_one(a)"], [("check_one", ...), ("check_one", 1)]),
    "defined in a cell below": (["check_one(a)", "a = 1"], [("check_one", 1)]),
    "the last definition above counts": (["a = 0", "a = 1", "check_one(a)", "a = 2"], [("check_one", 1)]),
    "a helper of a helper": (
        ["from math import sqrt", "def root(x):\n    return sqrt(x)", "TWO = root(4)", "check_one(TWO)"],
        [("check_one", 2.0)],
    ),
    "many copies": ([f"check_one({n})" for n in range(9)], [("check_one", n) for n in (6, 7, 8)]),
    "inside of something": (["if True:\n    check_one(1)"], [("check_one", 1)]),
    "with its module": (["import a as checks\nchecks.check_one(1)"], [("check_one", 1)]),
    "without an answer": (["check_one()"], [("check_one", ...)]),
    "with a magic": (["%matplotlib inline\na = 1\ncheck_one(a)"], [("check_one", 1)]),
    "below a magic": (["%%time\ncheck_one(1)"], [("check_one", 1)]),
    "after a command": (["!pip list\ncheck_one(1)"], [("check_one", 1)]),
    "unknown": (["check_three(1)", "print('check_one(1)')"], []),
}


@pytest.mark.parametrize(("cells", "wanted"), MESSES.values(), ids=MESSES)
def test_a_mess_is_survived(cells, wanted):
    assert answers(*cells) == wanted


# What stands above an answer that needs `one`, in the forms that Python has for it; `one()` must be 1 then.
FORMS = {
    "def": ["def one():\n    return 1"],
    "an import that may fail": ["try:\n    from nowhere import one\nexcept ImportError:\n    one = lambda: 1"],
    "star import": ["from math import *", "one = lambda: int(cos(0.0))"],
    "import": ["import math as m", "one = lambda: int(m.cos(0.0))"],
    "for": ["for n in (3, 2, 1):\n    k = n", "one = lambda: k"],
    "annotated": ["k: int = 1", "one = lambda: k"],
    "augmented": ["k = -1", "k += 2", "one = lambda: k"],
    "an item": ["t = {}", "t['k'] = 1", "one = lambda: t['k']"],
    "an attribute": ["class T:\n    k = 0", "T.k = 1", "one = lambda: T.k"],
    "a patched method": ["class T:\n    def k(self):\n        pass", "T.k = lambda self: 1", "one = lambda: T().k()"],
    "a patched module": ["import math", "math.one = lambda: 1", "import math as other", "one = lambda: other.one()"],
    "setattr": ["class T:\n    k = 0", "setattr(T, 'k', 1)", "one = lambda: T.k"],
    "a method that changes it": ["t = []", "t.append(1)", "one = lambda: t[0]"],
    "a call that changes it": ["t = [2, 1]", "def turn(x):\n    x.reverse()", "turn(t)", "one = lambda: t[0]"],
    "by another name": ["t = [0]", "u = t", "u[0] = 1", "one = lambda: t[0]"],
    "a loop that changes it": ["t = [[0]]", "for row in t:\n    row[0] = 1", "one = lambda: t[0][0]"],
    "a global of a function": ["def setup():\n    global k\n    k = 1", "setup()", "one = lambda: k"],
    "in a function's body": ["t = []", "def f():\n    t.append(1)", "def g():\n    f()", "g()", "one = lambda: t[0]"],
    "exec": ["exec('k = 1')", "one = lambda: k"],
    "a decorator": ["def made(f):\n    return lambda: f() + 1", "@made\ndef one():\n    return 0"],
    "a default": ["k = 1", "def one(k=k):\n    return k", "k = 2"],
    "a closure": ["def make(k):\n    def one():\n        return k\n    return one", "one = make(1)"],
    "what a closure reads": ["k = 0", "def make():\n    return lambda: k", "one = make()", "k = 1"],
    "a base class": ["class A:\n    def one(self):\n        return 1", "class B(A):\n    pass", "one = B().one"],
    "written again": ["k = 1", "one = lambda k=k: k", "k = 2", "k += 1"],
    "read before it is written again": ["k = 1", "j = k", "k = 2", "one = lambda: j"],
    "a deletion": ["from builtins import max as k", "del k", "k = 1", "one = lambda: k"],
    "magics": ["%matplotlib inline\n%time k = 1\n!ls", "one = lambda: k"],
}  # fmt: skip
NOISE = ["print(nowhere)", "x = [train() for _ in range(9)]", "import sys\nsys.exit()", "k_other = t_other = 3",
         "for model in models:\n    fit(model)", "raise RuntimeError", "check_baseline(...)", "# text"]  # fmt: skip
ANSWER = "def share(labels):\n    return one() * max(map(labels.count, labels)) / len(labels)"


def verdicts(cells):
    """Return what the check says of what was found in these cells."""
    return [check_baseline.verdict(make(each.source, each.answer)).name for each in attempts(cells, {"check_baseline"})]


@pytest.mark.parametrize("parts", FORMS.values(), ids=FORMS)
@settings(max_examples=8)
@given(st.data())
def test_a_right_answer_is_right_in_the_table_and_in_what_is_handed_in(parts, data):
    """With what it needs in each of the forms, in cells mixed with other things, or all in one."""
    checks = ["check_baseline(share)", "found = check_baseline(answer=share)\nimport sys; sys.exit()"]
    cells = []
    for part in [*parts, f"{ANSWER}\n{data.draw(st.sampled_from(checks))}"]:
        cells += [*data.draw(st.lists(st.sampled_from(NOISE), max_size=2)), part]
    assert verdicts(cells)[-1] == "right"
    (*_, last) = attempts(cells, {"check_baseline"})
    assert verdicts([last.written]) == ["right"]
    assert "train" not in last.source and "fit" not in last.source
    assert verdicts(["\n".join([*parts, ANSWER]), "check_baseline(share)"]) == ["right"]


def test_an_answer_in_a_text_cell_is_named():
    cells, texts = ["share = ...\ncheck_baseline(share)"], ["return 1 == 1", "def share(labels):\n    return 1"]
    for code, text in ((cells, texts), ([], ["share = 1\ncheck_baseline(share)"])):
        *_, last = attempts(code, {"check_baseline"}, text)
        assert last.fault and last.fault[0] == "in a text cell"
    assert [each.fault for each in attempts(cells, {"check_baseline"}, texts[:1])] == [None]


def test_what_only_has_the_name_of_something_local_is_not_brought_along():
    cells = ["f = [train() for _ in range(9)]", "def g(f):\n    h = f\n    return h\n\ncheck_one(g)", "h = 3"]
    (found,) = attempts(cells, KNOWN)
    assert "train" not in found.source and "3" not in found.source


@pytest.mark.parametrize("cell", ["(" * 9999, "x = " + "-" * 100_000 + "1", "\0", "a = 1\n\x0c\\", "return"])
def test_hostile_cells_end_in_nothing(cell):
    parse(cell)
    assert all(each.check == "check_one" for each in attempts([cell, cell + "\ncheck_one(x)"], KNOWN))


@pytest.mark.parametrize("stem", sorted(set(COURSE.values())))
def test_each_notebook_solved_or_not_holds_its_exercises(stem):
    wanted = [check for check, notebook in COURSE.items() if notebook == stem]
    for content in (notebook(stem), solved(stem)):
        assert [each.check for each in attempts(read(json.dumps(content).encode())[2][0], COURSE)] == wanted


def test_the_course_knows_modules_and_notebooks():
    assert COURSE["check_attend"] == "03_attention" and exercise_of("check_attend").name == "attend"
    assert len(COURSE) == sum(path.read_text(encoding="utf-8").count(".hints()") for path in NOTEBOOKS.glob("*.ipynb"))
