"""Where a presentation begins, and what is left of a notebook on the path through the whole lecture."""

import nbformat
import pytest

from lecturelib.workshop.live import plan, route, serve
from lecturelib.workshop.live.notebooks import STARTS, UNSEEN, read
from lecturelib.workshop.notebooks import NOTEBOOKS, find

PLAN = plan.read()
NAMES = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]


def stops(name):
    return [stop for stop in PLAN.path if stop.notebook == name]


@pytest.mark.parametrize(("at", "title"), [("6", "6. One"), ("6. one", "6. One"), ("exer", "Exercises"), ("", "# 03")])
def test_a_presentation_begins_at_the_section_that_is_meant(at, title):
    nb = nbformat.read(find("03"), as_version=4)
    (source,) = (cell.source for cell in nb.cells if cell.id == route.start(read(find("03")), at))
    assert source.removeprefix("## ").startswith(title)


def test_on_the_path_it_begins_at_the_first_slide_that_is_shown():
    nb = read(find("03"))
    assert route.start(nb, "2", stops(nb.name)) == "with-n-queries-at-once-in-the-lecture-s"  # not that of the heading
    assert route.start(nb, "", stops(nb.name)) == "1-a-soft-dictionary"  # not the title


@pytest.mark.parametrize(("at", "path"), [("12", None), ("One", None), ("Opening", None), ("5", stops("03_attention"))])
def test_a_section_that_is_not_there_is_refused_with_those_that_are(at, path):
    with pytest.raises(ValueError, match=f"has no section '{at}': expected .* '1. A soft dictionary', '2. The"):
        route.start(read(find("03")), at, path)


@pytest.mark.parametrize("name", NAMES)
def test_the_path_leaves_its_own_slides_whole_and_no_other(name):
    nb, copy = (nbformat.read(find(name), as_version=4) for _ in range(2))
    told = read(find(name))
    route.cut(copy, told, stops(name))
    sections = {section.title: section for section in told.sections}
    shown = [[slide.cells for slide in stop.slides(sections[stop.section])] for stop in stops(name)]
    kinds = {cell.id: cell.metadata.get("slideshow", {}).get("slide_type") for cell in copy.cells}
    assert [id for id in kinds if kinds[id] not in UNSEEN] == [id for slides in shown for s in slides for id in s]
    assert [id for id in kinds if kinds[id] in STARTS] == [cells[0] for slides in shown for cells in slides]
    assert all(kinds[slides[0][0]] == STARTS[0] for slides in shown)  # where the key for the next section goes
    assert [(cell.id, cell.source) for cell in copy.cells] == [(cell.id, cell.source) for cell in nb.cells]


def test_the_copies_lead_to_one_another_and_ask_only_what_is_polled(monkeypatch):
    monkeypatch.setattr(serve, "find_spec", lambda name: name)
    with serve.stage([find(name) for name in NAMES], "http://hall", "", ("03_attention", "6"), PLAN) as stage:
        told = [nbformat.read(stage.notebooks / f"{name}.ipynb", as_version=4).metadata["lecture"] for name in NAMES]
    assert [each["before"] for each in told] == [[], *([f"{name}.ipynb"] for name in NAMES[:-1])]
    assert [each["after"] for each in told] == [*([f"{name}.ipynb"] for name in NAMES[1:]), []]
    assert told[3]["at"] == "6-one-vector-or-a-look-up" and told[4]["at"] == "1-who-mixes-tokens"
    assert [len(each["questions"]) for each in told] == [sum(s.poll for s in stops(name)) for name in NAMES]
    assert told[3]["questions"][0]["question"].startswith("After 100 steps attention gets about 99")
