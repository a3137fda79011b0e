"""Print how fast the sliders answer: python -m tests.benchmarks.widgets.

Each slider is moved with the arrow keys in a real JupyterLab, and the time is taken in the page: from the slider's
input to the new picture, decoded and on the screen. The attention explorer needs no kernel: there it is the time from
the moved pointer (or slider) to the end of the frame that shows it. The bars are printed beside the figures; no test
holds them, since a busy machine would decide.
"""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.browser import lab
from tests.browser.test_widgets import PICTURE, SCOPE, STEPPER

BAR = 250  # milliseconds, for the median: slower, and the hand feels the delay
FRAMES = {64: 20, 200: 50}  # tokens: milliseconds for the median of a hover
MOVES = 24
LIMIT = 10_000  # milliseconds for one move

# The cells of the notebooks' sizes: 24 symbols for the stepper, 25 steps and 16 units for the scope.
LARGE_STEPPER = STEPPER.replace('string="1101"', 'string="110101110101110101110101"').replace(
    '["110101", "000111", "101010"]', '["1101011101010010110010110"[k:] for k in range(5)] * 4'
)
LARGE_SCOPE = "import numpy as np\n" + SCOPE.replace("(12, 4)", "(25, 16)").replace(
    "[1, -1, 2, -2]", "([1, -1, 2, -2] * 4)"
).replace('"wxyzwxyzwxy"', '"wxyz" * 6')
FORCE = "scope = GateScope(read)\nscope.gate.value = 'f'\nscope.value_slider.value = 0.5\nscope"
EXPLORER = """
from lecturelib.widgets.attention_explorer import AttentionExplorer

scores = 2 * np.random.default_rng(0).normal(size=(4, {tokens}, {tokens}))
mask = np.tril(np.ones(({tokens}, {tokens}), dtype=bool))
AttentionExplorer(scores, ["token"] * {tokens}, mask=mask, d_k=16)
"""
CELLS = [LARGE_STEPPER, LARGE_SCOPE.replace("GateScope(read)", FORCE)]
CELLS += [EXPLORER.format(tokens=tokens) for tokens in FRAMES]

# The clock starts at the key, before the slider sees it, and stops one frame after the new picture is decoded.
CLOCK = """([handle, img, limit]) => { window.answered = new Promise((resolve, reject) => {
  handle.addEventListener('keydown', () => {
    const began = performance.now();
    const seen = new MutationObserver(async () => {
      seen.disconnect();
      await img.decode();
      requestAnimationFrame(() => resolve(performance.now() - began));
    });
    seen.observe(img, {attributes: true, attributeFilter: ['src']});
    setTimeout(() => reject(new Error(`no new picture within ${limit} ms`)), limit);
  }, {once: true, capture: true});
}); }"""


def measure(page: Any, cell: int) -> list[float]:
    """Move the slider of a cell's widget up and down; return the milliseconds until each new picture."""
    out = page.locator(".jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")
    picture = out.locator(PICTURE)
    picture.scroll_into_view_if_needed()
    handle = out.locator(".noUi-handle")
    handle.focus()
    times = []
    for move in range(MOVES + 2):
        page.evaluate(CLOCK, [handle.element_handle(), picture.element_handle(), LIMIT])
        page.keyboard.press("ArrowLeft" if move % 8 < 4 else "ArrowRight")
        times.append(float(page.evaluate("() => window.answered")))
        page.wait_for_timeout(100)  # a hand pauses too; whatever else the page does ends here
    return times[2:]  # the first two find everything cold


# The clock starts when the pointer has moved, and stops in the first task after the frame in which that is drawn.
FRAME_CLOCK = """([node, kind, limit]) => { window.answered = new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`no ${kind} within ${limit} ms`)), limit);
  node.addEventListener(kind, (event) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => resolve(performance.now() - event.timeStamp);
    channel.port2.postMessage(0);
  }), {once: true, capture: true});
}); }"""


def hover(page: Any, cell: int, tokens: int) -> dict[str, list[float]]:
    """Move over the map and the text of an explorer, and its slider; return the milliseconds to each painted frame."""
    out = page.locator(".jp-CodeCell").nth(cell).locator(".lec-explorer")
    times: dict[str, list[float]] = {}
    for place in (".map", ".strip"):
        node = out.locator(place)
        node.evaluate("node => node.scrollIntoView({block: 'center'})")  # the whole of it
        page.wait_for_timeout(500)  # the scrolling ends
        box = node.bounding_box()
        grid = json.loads(out.locator(".map").get_attribute("data-grid"))
        times[place] = []
        for move in range(MOVES + 2):
            n = (move * 37 + 5) % tokens
            if place == ".map":
                x, y = (box[axis] + grid[side] + (k + 0.5) * grid["cell"]
                        for axis, side, k in (("x", "left", n // 2), ("y", "top", n)))  # fmt: skip
            else:
                token = out.locator(".token").nth(n)
                token.scroll_into_view_if_needed()
                x, y = (token.bounding_box()[axis] + 5 for axis in "xy")
            page.evaluate(FRAME_CLOCK, [node.element_handle(), "pointermove", LIMIT])
            page.mouse.move(x, y)
            times[place].append(float(page.evaluate("() => window.answered")))
            page.wait_for_timeout(60)
    slider = out.locator("input[type=range]")
    slider.focus()
    times["slider"] = []
    for move in range(MOVES + 2):
        page.evaluate(FRAME_CLOCK, [slider.element_handle(), "input", LIMIT])
        page.keyboard.press("ArrowLeft" if move % 8 < 4 else "ArrowRight")
        times["slider"].append(float(page.evaluate("() => window.answered")))
        page.wait_for_timeout(60)
    return {name.strip("."): each[2:] for name, each in times.items()}


def main() -> None:
    """Measure the sliders and the hovers, and print one row for each."""
    if lab.MISSING:
        raise SystemExit(lab.HOW)
    with tempfile.TemporaryDirectory() as folder:
        lab.write(Path(folder) / "widgets.ipynb", CELLS)
        with lab.lab(Path(folder)) as started:
            page = started.run("widgets.ipynb")
            page.locator(PICTURE).nth(1).wait_for()
            print(f"{'what':<30}{'moves':>6}{'median ms':>16}{'slowest ms':>12}")
            for cell, name in enumerate(("automaton stepper", "gate scope")):
                row(name, measure(page, cell), BAR)
            for cell, (tokens, bar) in enumerate(FRAMES.items(), 2):
                for place, times in hover(page, cell, tokens).items():
                    row(f"explorer, {tokens} tokens, {place}", times, bar)


def row(name: str, times: list[float], bar: float) -> None:
    print(f"{name:<30}{len(times):>6}{statistics.median(times):>10.0f} /{bar:>4}{max(times):>12.0f}")


if __name__ == "__main__":
    main()
