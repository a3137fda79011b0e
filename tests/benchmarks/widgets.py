"""Print how fast the sliders answer: python -m tests.benchmarks.widgets.

Each is moved with the arrow keys in a real JupyterLab, and the time is taken in the page: from the slider's input to
the new picture, decoded and on the screen. The bar is printed beside the figures; no test holds it, since a busy
machine would decide.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.browser import lab
from tests.browser.test_widgets import PICTURE, SCOPE, STEPPER

BAR = 250  # milliseconds, for the median: slower, and the hand feels the delay
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
CELLS = [LARGE_STEPPER, LARGE_SCOPE.replace("GateScope(read)", FORCE)]

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


def main() -> None:
    """Measure both sliders and print one row for each."""
    if lab.MISSING:
        raise SystemExit(lab.HOW)
    with tempfile.TemporaryDirectory() as folder:
        lab.write(Path(folder) / "widgets.ipynb", CELLS)
        with lab.lab(Path(folder)) as started:
            page = started.run("widgets.ipynb")
            page.locator(PICTURE).nth(1).wait_for()
            print(f"{'slider':<20}{'moves':>6}{'median ms':>16}{'slowest ms':>12}")
            for cell, name in enumerate(("automaton stepper", "gate scope")):
                times = measure(page, cell)
                print(f"{name:<20}{len(times):>6}{statistics.median(times):>10.0f} /{BAR:>4}{max(times):>12.0f}")


if __name__ == "__main__":
    main()
