"""Print how fast the widgets answer: python -m tests.benchmarks.widgets.

Mouse and keys work them in a real JupyterLab, and the time is taken in the page. A slider: from its key to the new
picture, decoded and on the screen. The attention explorer, and the echo of the patch playground, need no kernel: to the
end of the frame that shows the change. The playground's reconstruction: to the end of the frame with the new picture.
The transfer lab: from the click on Start to the first point of the curve, from one point to the next, and from the
click on Stop to the end that is shown. The bars are printed beside the figures; no test holds them, since a busy
machine would decide.
"""

import json
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.browser import lab
from tests.browser.test_widgets import COSTS, PICTURE, SCOPE, STEPPER

SLIDER = 250  # milliseconds, for the median: slower, and the hand feels the delay
FRAMES = {64: 20, 200: 50}  # tokens: milliseconds for the median of a hover
PAINTED, ECHO = 300, 17  # milliseconds for the medians: to a new reconstruction, to the echo in the page
FIRST_POINT, NEXT_POINT, STOPPED = 1000, 500, 1000  # milliseconds: from Start, from point to point, from Stop
MOVES = 24
COLD = 2  # the first moves, which are not counted
RUNS = 5  # trainings of the lab; all but the first are stopped
LIMIT = 10_000  # milliseconds for one move

# The cells of the notebooks' sizes: 24 characters for the stepper, 25 steps and 16 units for the scope.
SLIDERS = {
    "automaton stepper": STEPPER.replace('string="1101"', 'string="110101110101110101110101"').replace(
        '["110101", "000111", "101010"]', '["1101011101010010110010110"[k:] for k in range(5)] * 4'
    ),
    "gate scope": "import numpy as np\n"
    + SCOPE.replace("(12, 4)", "(25, 16)")
    .replace("[1, -1, 2, -2]", "([1, -1, 2, -2] * 4)")
    .replace('"wxyzwxyzwxy"', '"wxyz" * 6')
    .replace(
        "GateScope(read)", "scope = GateScope(read)\nscope.gate.value = 'f'\nscope.value_slider.value = 0.5\nscope"
    ),
    "cost explorer": COSTS,
}
EXPLORER = """
from lecturelib.widgets.attention_explorer import AttentionExplorer

scores = 2 * np.random.default_rng(0).normal(size=(4, {tokens}, {tokens}))
mask = np.tril(np.ones(({tokens}, {tokens}), dtype=bool))
AttentionExplorer(scores, ["token"] * {tokens}, mask=mask, d_k=16)
"""
MODELS = """
import torch
from lecturelib.data.digits import digits
from lecturelib.data.photos import crops
from lecturelib.mae import MaskedAutoencoder
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.patch_playground import PatchPlayground
from lecturelib.widgets.transfer_lab import TransferLab

torch.set_num_threads(1)
pool, test = (tuple(map(torch.from_numpy, each)) for each in digits())
images = digits()[1].images[:10]
vit = VisionTransformer((1, 8, 8), patch_size=2, d_model=48, num_heads=4, num_layers=2, num_classes=10)
"""
DIGITS = "PatchPlayground.masking(MaskedAutoencoder(VisionTransformer((1, 8, 8), 2, 48, 4, 2), 48, 4, 1), images)"
PHOTOS = """
photos = crops(6, size=32, held_out=True, seed=0)
PatchPlayground.masking(MaskedAutoencoder(VisionTransformer((3, 32, 32), 4, 64, 4, 2), 48, 4, 1), photos)
"""
PLAYGROUNDS = {"digits": (DIGITS, 4), "photos": (PHOTOS, 8)}  # with the patches along a side
LOOKS = "PatchPlayground.attention(vit, images)"
TRANSFER = 'TransferLab({"print": vit}, pool, test)'
CELLS = [
    *SLIDERS.values(),
    *(EXPLORER.format(tokens=tokens) for tokens in FRAMES),
    MODELS,
    *(cell for cell, _ in PLAYGROUNDS.values()),
    LOOKS,
    TRANSFER,
]

# The clock starts at an event of `node`. It stops one frame after a new picture is decoded, if `shown` is one; else in
# the first task after a frame: the next one, or, if `shown` is a figure that asks the kernel, that with the answer.
CLOCK = """([node, kind, shown, limit]) => { window.answered = new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`no answer to ${kind} within ${limit} ms`)), limit);
  node.addEventListener(kind, (event) => {
    const stop = () => resolve(performance.now() - event.timeStamp);
    const painted = () => {
      const channel = new MessageChannel();
      channel.port1.onmessage = stop;
      channel.port2.postMessage(0);
    };
    if (shown?.tagName === 'IMG') {
      new MutationObserver(async (_, observer) => {
        observer.disconnect();
        await shown.decode();
        requestAnimationFrame(stop);
      }).observe(shown, {attributes: true, attributeFilter: ['src']});
      return;
    }
    let waited = !shown;
    const look = () => {
      const waiting = shown?.dataset.waiting === 'true';
      waited ||= waiting;
      if (!waited || waiting) return requestAnimationFrame(look);
      painted();
    };
    requestAnimationFrame(look);
  }, {once: true, capture: true});
}); }"""

# Each frame looks whether the curve has more points; the clock starts at the click.
GROWTH = """(root) => {
  const [start, stop] = root.querySelectorAll('button');
  start.addEventListener('click', () => { window.points = [performance.now()]; window.count = 0; }, {capture: true});
  stop.addEventListener('click', () => { window.asked = performance.now(); window.ended = 0; }, {capture: true});
  const look = () => {
    const drawn = root.dataset.running === 'true' && root.querySelector('.chart path.now:not(.leader)');
    const count = drawn ? drawn.getAttribute('d').split('L').length : 0;
    if (count > window.count) { window.points.push(performance.now()); window.count = count; }
    const over = window.asked && !window.ended && root.dataset.running === 'false';
    if (over) window.ended = performance.now() - window.asked;
    requestAnimationFrame(look);
  };
  look();
}"""


def timed(page: Any, node: Any, kind: str, act: Callable[[], object], shown: Any = None, rest: int = 60) -> float:
    """Do something to a node; return the milliseconds from its event to the answer, then let the page rest."""
    page.evaluate(CLOCK, [node.element_handle(), kind, shown and shown.element_handle(), LIMIT])
    act()
    time = float(page.evaluate("() => window.answered"))
    page.wait_for_timeout(rest)  # a hand pauses too; whatever else the page does ends here
    return time


def figure(page: Any, source: str, selector: str) -> Any:
    """Return what a cell shows, once all of it is in view."""
    out = page.locator(".jp-CodeCell").nth(CELLS.index(source)).locator(".jp-Cell-outputArea")
    out.locator(selector).first.evaluate("node => node.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(500)  # the scrolling ends
    return out


def patch(box: dict[str, float], n: int, side: int) -> tuple[float, float]:
    """Return where the middle of a patch lies, of a picture with so many along a side."""
    x, y = (box[axis] + (k + 0.5) * box["width"] / side for axis, k in (("x", n % side), ("y", n // side)))
    return x, y


def slide(page: Any, slider: Any, kind: str, shown: Any = None, rest: int = 60) -> list[float]:
    """Move a slider up and down with the keys."""
    slider.focus()
    keys = ["ArrowLeft" if move % 8 < 4 else "ArrowRight" for move in range(MOVES + COLD)]
    return [timed(page, slider, kind, partial(page.keyboard.press, key), shown, rest) for key in keys]


def hover(page: Any, source: str, tokens: int) -> dict[str, list[float]]:
    """Move over the map and the text of an explorer, and its slider."""
    out = figure(page, source, ".map")
    box, grid = out.locator(".map").bounding_box(), json.loads(out.locator(".map").get_attribute("data-grid"))
    times: dict[str, list[float]] = {"map": [], "strip": []}
    for n in ((move * 37 + 5) % tokens for move in range(MOVES + COLD)):
        x = box["x"] + grid["left"] + (n // 2 + 0.5) * grid["cell"]
        y = box["y"] + grid["top"] + (n + 0.5) * grid["cell"]
        times["map"].append(timed(page, out.locator(".map"), "pointermove", partial(page.mouse.move, x, y)))
    figure(page, source, ".strip")
    for n in ((move * 37 + 5) % tokens for move in range(MOVES + COLD)):
        token = out.locator(".token").nth(n)
        token.scroll_into_view_if_needed()
        x, y = (token.bounding_box()[axis] + 5 for axis in "xy")
        times["strip"].append(timed(page, out.locator(".strip"), "pointermove", partial(page.mouse.move, x, y)))
    return times | {"slider": slide(page, out.locator("input[type=range]"), "input")}


def play(page: Any, source: str, side: int) -> dict[str, list[float]]:
    """Click patches of a playground and toggle them with the keys; return the times to the echo and to the answer."""
    out = figure(page, source, ".lec-playground")
    root, stage = out.locator(".lec-playground"), out.locator(".stage").nth(1)
    box, rest = stage.bounding_box(), 250  # the kernel answers meanwhile
    times: dict[str, list[float]] = {"click, echo": [], "click, answer": [], "key, answer": []}
    for move in range(MOVES + COLD):
        x, y = patch(box, (move * 37 + 5) % side**2, side)
        for what, shown in (("click, echo", None), ("click, answer", root)):
            times[what].append(timed(page, stage, "pointerdown", partial(page.mouse.click, x, y), shown, rest))
        stage.focus()
        times["key, answer"].append(timed(page, stage, "keydown", partial(page.keyboard.press, " "), root, rest))
    return times


def look(page: Any) -> list[float]:
    """Move over the patches of a playground that shows attention."""
    stage = figure(page, LOOKS, ".lec-playground").locator(".stage").first
    places = [patch(stage.bounding_box(), (move * 5 + 3) % 16, 4) for move in range(MOVES + COLD)]
    return [timed(page, stage, "pointermove", partial(page.mouse.move, *place)) for place in places]


def train(page: Any) -> dict[str, list[float]]:
    """Train in a transfer lab, once to the end; return the times to the first point, each next one, and the stop."""
    out = figure(page, TRANSFER, ".lec-transfer").locator(".lec-transfer")
    out.evaluate(GROWTH)
    times: dict[str, list[float]] = {"first point": [], "next point": [], "stop": []}
    for run in range(RUNS):
        out.get_by_role("button", name="Start").click()
        page.wait_for_function("() => window.count >= 4", timeout=6 * LIMIT)
        if run:
            out.get_by_role("button", name="Stop").click()
        ended = "(root) => root.dataset.running === 'false'"
        page.wait_for_function(ended, arg=out.element_handle(), timeout=6 * LIMIT)
        page.wait_for_timeout(300)
        points = page.evaluate("window.points")
        times["first point"].append(points[1] - points[0])
        times["next point"] += [after - before for before, after in pairwise(points[1:])]
        times["stop"] += [page.evaluate("window.ended")] * (run > 0)
    return times


def main() -> None:
    """Measure the widgets one after the other, and print one row for each."""
    if lab.MISSING:
        raise SystemExit(lab.HOW)
    with tempfile.TemporaryDirectory() as folder:
        lab.write(Path(folder) / "widgets.ipynb", CELLS)
        with lab.lab(Path(folder)) as started:
            page = started.run("widgets.ipynb")
            page.locator(".lec-transfer").wait_for()
            print(f"{'what':<36}{'moves':>6}{'median ms':>16}{'slowest ms':>12}")
            for name, cell in SLIDERS.items():
                out = figure(page, cell, PICTURE)
                picture = out.locator(PICTURE)
                row(name, slide(page, out.locator(".noUi-handle").first, "keydown", picture, 100)[COLD:], SLIDER)
            for tokens, bar in FRAMES.items():
                for place, times in hover(page, EXPLORER.format(tokens=tokens), tokens).items():
                    row(f"explorer, {tokens} tokens, {place}", times[COLD:], bar)
            for name, (cell, side) in PLAYGROUNDS.items():
                for what, times in play(page, cell, side).items():
                    row(f"playground, {name}, {what}", times[COLD:], ECHO if what.endswith("echo") else PAINTED)
            row("playground, hover", look(page)[COLD:], ECHO)
            bars = (FIRST_POINT, NEXT_POINT, STOPPED)
            for (what, times), bar in zip(train(page).items(), bars, strict=True):
                row(f"transfer lab, {what}", times, bar)


def row(name: str, times: list[float], bar: float) -> None:
    print(f"{name:<36}{len(times):>6}{statistics.median(times):>10.0f} /{bar:>4}{max(times):>12.0f}", flush=True)


if __name__ == "__main__":
    main()
