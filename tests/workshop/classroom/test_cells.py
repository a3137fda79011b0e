"""Exercises are found in whatever became of a notebook."""

import pytest

from lecturelib.workshop.classroom.cells import attempts, parse
from lecturelib.workshop.classroom.course import code_cells, read_course
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
    "the other way round": (["check_two(2)", "check_one(1)"], [("check_two", 2), ("check_one", 1)]),
    "solved further down": (["a = ...\ncheck_one(a)", "a = 1\ncheck_one(a)"], [("check_one", ...), ("check_one", 1)]),
    "defined in another cell above": (["a = 1", "x = 2", "check_one(a)"], [("check_one", 1)]),
    "defined in a cell below": (["check_one(a)", "a = 1"], [("check_one", 1)]),
    "the last definition above counts": (["a = 0", "a = 1", "check_one(a)", "a = 2"], [("check_one", 1)]),
    "a helper of a helper": (
        ["from math import sqrt", "def root(x):\n    return sqrt(x)", "TWO = root(4)", "check_one(TWO)"],
        [("check_one", 2.0)],
    ),
    "a copy": (["check_one(1)", "check_one(1)"], [("check_one", 1)]),
    "many copies": ([f"check_one({n})" for n in range(9)], [("check_one", n) for n in (6, 7, 8)]),
    "as a value": (["found = check_one(1)"], [("check_one", 1)]),
    "inside of something": (["if True:\n    check_one(1)"], [("check_one", 1)]),
    "with a keyword": (["check_one(answer=1)"], [("check_one", 1)]),
    "with its module": (["import a as checks\nchecks.check_one(1)"], None),
    "without an answer": (["check_one()"], [("check_one", ...)]),
    "with a magic": (["%matplotlib inline\na = 1\ncheck_one(a)"], None),
    "below a magic": (["%%time\ncheck_one(1)"], [("check_one", 1)]),
    "after a command": (["!pip list\ncheck_one(1)"], None),
    "unknown": (["check_three(1)", "print('check_one(1)')"], []),
}


@pytest.mark.parametrize(("cells", "wanted"), MESSES.values(), ids=MESSES)
def test_a_mess_is_survived(cells, wanted):
    if wanted is None:  # it holds a statement that runs in Jupyter only
        assert [(each.check, each.answer) for each in attempts(cells, KNOWN)] in (
            [("check_one", "1")],
            [("check_one", "a")],
        )
    else:
        assert answers(*cells) == wanted


def test_what_is_no_python_is_handed_on_as_it_is():
    (found,) = attempts(["def f(:\ncheck_one(f)"], KNOWN)
    assert found.source == "def f(:\ncheck_one(f)" and found.check == "check_one"


def test_experiments_are_not_brought_along():
    cells = [
        "f = [train() for _ in range(9)]",
        "def g(f):\n    h = f\n    return [x for x in h]\n\ncheck_one(g)",
        "h = 3",
    ]
    (found,) = attempts(cells, KNOWN)
    assert "train" not in found.source and "3" not in found.source


@pytest.mark.parametrize(
    "cell", ["(" * 9999, "x = " + "-" * 100_000 + "1", "\0", "a = 1\n\x0c\\", "é" * 1000, "return"]
)
def test_hostile_cells_end_in_nothing(cell):
    parse(cell)
    assert all(each.check == "check_one" for each in attempts([cell, cell + "\ncheck_one(x)"], KNOWN))


@pytest.mark.parametrize("stem", sorted({lesson.notebook for lesson in COURSE.values()}))
def test_each_notebook_solved_or_not_holds_its_exercises(stem):
    wanted = [lesson.check for lesson in COURSE.values() if lesson.notebook == stem]
    for content in (notebook(stem), solved(stem)):
        assert [each.check for each in attempts(code_cells(content), COURSE)] == wanted


def test_the_course_knows_the_modules_and_what_stands_above():
    lesson = COURSE["check_attend"]
    assert (lesson.module, lesson.notebook) == ("lecturelib.checks.attention", "03_attention")
    assert "import math" in lesson.preamble and "def look_at" in lesson.preamble and "fit(" not in lesson.preamble
    assert len(COURSE) == sum(path.read_text(encoding="utf-8").count(".hints()") for path in NOTEBOOKS.glob("*.ipynb"))


def test_without_the_notebooks_it_says_where_they_are(tmp_path):
    with pytest.raises(ValueError, match="run this in a clone"):
        read_course(tmp_path)
