"""Widgets for everybody: each alone in a page, in two themes, before and after it was worked, has no finding of axe."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import axe, lab
from tests.browser.alone import FRAME
from tests.browser.test_attention_explorer import SETTINGS as EXPLORER
from tests.browser.test_attention_explorer import Page as ExplorerPage
from tests.browser.test_attention_explorer import cross, explorer
from tests.browser.test_patch_playground import NAMES, hiding, looking
from tests.browser.test_patch_playground import Page as PlaygroundPage
from tests.browser.test_transfer_lab import PROBE, made
from tests.browser.test_transfer_lab import Page as LabPage
from tests.tools import needs

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW), needs(axe.SCRIPT, axe.HOW)]

DARK = """() => {
  document.body.dataset.jpThemeLight = 'false';
  document.body.style.cssText = `background: #111; color: #fff; --jp-content-font-color1: #fff;
    --jp-layout-color0: #111; --jp-brand-color1: #2196f3`;
}"""
Look = Callable[[], None]


def hold_a_token(page: ExplorerPage, look: Look) -> None:
    page.hover(3, 1)
    look()
    page.click(3, 1)
    page.press("ArrowDown")
    look()
    page.set(show="scores")
    look()
    page.page.locator(".head[tabindex='0'], .token[tabindex='0']").first.focus()
    look()


def look_at_patches(page: PlaygroundPage, look: Look) -> None:
    page.page.mouse.move(*page.at(0, 2, 4))
    look()
    page.picture(0).focus()
    page.page.keyboard.press("Enter")
    look()
    page.page.get_by_role("radio", name="occlusion").click()
    page.page.get_by_label("draw my own").check()
    look()


def hide_patches(page: PlaygroundPage, look: Look) -> None:
    page.page.mouse.click(*page.at(1, 2, 4))
    page.picture(1).focus()
    page.page.keyboard.press("ArrowRight")
    look()
    page.page.wait_for_timeout(3200)  # the kernel is said not to answer
    look()


def compare_runs(page: LabPage, look: Look) -> None:
    page.press("Start")
    look()
    page.whole("print", PROBE, 5)
    page.end(page.begin("print", points=5), "failed", "ValueError: a label is missing")
    look()
    page.begin(points=4)
    look()


# How a widget is opened alone, and what is done with it.
ALONE: dict[str, tuple[Callable[..., Any], Callable[..., None]]] = {
    "explorer": (lambda bare: ExplorerPage(bare(explorer(), ("data", *EXPLORER))), hold_a_token),
    "explorer, two texts": (lambda bare: ExplorerPage(bare(cross(), ("data", *EXPLORER))), hold_a_token),
    "playground, attention": (lambda bare: PlaygroundPage(bare(w := looking(), NAMES), w), look_at_patches),
    "playground, masking": (lambda bare: PlaygroundPage(bare(w := hiding(), NAMES), w), hide_patches),
    "transfer lab": (lambda bare: LabPage(made(), bare), compare_runs),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", ALONE)
def test_a_widget_alone_has_no_finding(bare, kind, theme):
    opened, work = ALONE[kind]
    page = opened(bare)
    if theme == "dark":
        page.page.evaluate(DARK)

    def look() -> None:
        page.page.evaluate(FRAME)
        assert axe.findings(page.page.locator("body > div")) == []

    look()
    work(page, look)


def test_a_finding_is_found(bare):
    page = bare(explorer(), ("data", *EXPLORER))
    page.locator("input[type=range]").evaluate("slider => slider.closest('label').replaceWith(slider)")
    page.locator(".status").evaluate("status => { status.style.color = '#999'; }")
    page.evaluate(FRAME)
    assert sorted(found.split(":")[0] for found in axe.findings(page.locator("body > div"))) == [
        "color-contrast",
        "label",
    ]
