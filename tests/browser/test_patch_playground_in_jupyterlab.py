"""The patch playground in a real JupyterLab: mouse and keys reach the kernel, its answers the page."""

import pytest

from tests.browser import lab
from tests.tools import needs

pytestmark = [pytest.mark.platform, needs(not lab.MISSING, lab.HOW)]

MODELS = """
import numpy as np
import torch
from lecturelib.mae import MaskedAutoencoder
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.patch_playground import PatchPlayground

torch.manual_seed(0)
images = np.random.default_rng(0).random((5, 1, 8, 8), dtype=np.float32)
"""
MASKING = """
painter = MaskedAutoencoder(VisionTransformer((1, 8, 8), 2, 12, 3, 2), 8, 2, 1)
hiding = PatchPlayground.masking({"network": painter, "white": lambda images, mask: images * 0 + 1}, images)
hiding
"""
ATTENTION = """
looking = PatchPlayground.attention(VisionTransformer((1, 8, 8), 2, 12, 3, 2, 10), images, [1, 2, 3, 4, 5])
looking
"""
LOOK = """
print(sum(hiding.mask), hiding.image, hiding.painter, hiding.answer["number"] == hiding.asked,
      looking.image, looking.selected, looking.view, looking.own, looking.current().max())
"""
SET = "hiding.mask = [n == 5 for n in range(16)]; looking.view, looking.image = 'rollout', 3"
RUN = """async (n) => { const {content} = jupyterapp.shell.currentWidget; content.activeCellIndex = n;
  await jupyterapp.commands.execute('notebook:run-cell'); }"""
EXECUTE = """async (code) => { await jupyterapp.shell.currentWidget.sessionContext.session.kernel
  .requestExecute({code}).done; }"""


def test_in_jupyterlab_mouse_and_keys_reach_the_kernel_and_its_answers_the_page(jupyterlab):
    lab.write(jupyterlab.folder / "playground.ipynb", [MODELS, MASKING, ATTENTION, LOOK])
    page = jupyterlab.run("playground.ipynb")
    page.locator(".lec-playground[data-mode=attention] .stage").first.wait_for()

    view = page.locator(".lec-playground[data-mode=masking]")
    status = view.locator(".status")
    status.filter(has_text="12 of 16 patches hidden. Error on them").wait_for()
    view.get_by_role("button", name="show all").click()
    status.filter(has_text="Nothing is hidden").wait_for()
    middle = view.locator(".stage").nth(1)
    middle.scroll_into_view_if_needed()
    box = middle.bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)  # a drag along the first row, faster than the kernel answers
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 10, box["y"] + 10, steps=40)
    page.mouse.up()
    status.filter(has_text="4 of 16 patches hidden. Error on them").wait_for()
    middle.focus()
    for key in ("End", " ", "ArrowUp", " "):
        page.keyboard.press(key)
    status.filter(has_text="6 of 16 patches hidden. Error on them").wait_for()
    view.get_by_label("white", exact=True).check()
    view.get_by_label("next image").click()
    status.filter(has_text="by white").wait_for()

    view = page.locator(".lec-playground[data-mode=attention]")
    status = view.locator(".status")
    main = view.locator(".stage").first
    main.scroll_into_view_if_needed()
    main.hover(position={"x": 10, "y": 10})
    status.filter(has_text="Layer 1, head 1: the patch in row\u00a01, column\u00a01 looks most at").wait_for()
    main.focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    status.filter(has_text="the patch in row\u00a02, column\u00a02 looks").wait_for()
    view.get_by_role("radio", name="layer 1, head 1").focus()
    page.keyboard.press("End")
    status.filter(has_text="Covering one patch at a time").or_(status.filter(has_text="Without the patch")).wait_for()
    view.get_by_label("draw my own").check()
    view.locator(".pad .stage").focus()
    page.keyboard.press(" ")
    status.filter(has_text="filled").wait_for()
    expected, said = "6 1 white True 0 5 occlusion True 1.0", ""
    for _ in range(8):  # until the kernel has heard of everything
        page.evaluate(RUN, 3)
        page.wait_for_timeout(400)
        said = page.locator(".jp-CodeCell").nth(3).locator(".jp-Cell-outputArea").inner_text().strip()
        if said == expected:
            break
    assert said == expected
    assert page.locator(".jp-CodeCell").count() == 4  # no key made a cell, or cut one

    page.evaluate(EXECUTE, SET)
    page.locator(".status", has_text="1 of 16 patches hidden. Error on them").wait_for()
    page.locator(".lec-playground[data-mode=attention] .map[aria-checked=true][aria-label=rollout]").wait_for()
