"""Print how fast the sliders answer: python -m tests.benchmarks.widgets.

Each slider is moved with the arrow keys in a real JupyterLab, and the time is taken in the page: from the slider's
input to the new picture, decoded and on the screen. The attention explorer needs no kernel: there it is the time from
the moved pointer (or slider) to the end of the frame that shows it. So it is with the
echo of the patch playground; its reconstruction is timed from the click or the key to the end of the frame with the
new picture. Of the transfer lab: from the click on Start to the first point of the curve, from one point to the next,
and from the click on Stop to the end that is shown. The bars are printed beside the figures; no test holds them, since
a busy machine would decide.
"""

import json
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.browser import lab
from tests.browser.test_widgets import COSTS, PICTURE, SCOPE, STEPPER

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
PLAYGROUND = """
import torch
from lecturelib.data.{data}
from lecturelib.mae import MaskedAutoencoder
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.patch_playground import PatchPlayground

torch.set_num_threads(1)
"""
DIGITS = (
    PLAYGROUND.format(data="digits import digits")
    + """
images = digits()[1].images[:10]
PatchPlayground.masking(MaskedAutoencoder(VisionTransformer((1, 8, 8), 2, 48, 4, 2), 48, 4, 1), images)
"""
)
PHOTOS = (
    PLAYGROUND.format(data="photos import crops")
    + """
images = crops(6, size=32, held_out=True, seed=0)
PatchPlayground.masking(MaskedAutoencoder(VisionTransformer((3, 32, 32), 4, 64, 4, 2), 48, 4, 1), images)
"""
)
LOOKS = (
    PLAYGROUND.format(data="digits import digits")
    + """
images = digits()[1].images[:10]
PatchPlayground.attention(VisionTransformer((1, 8, 8), 2, 48, 4, 2, 10), images)
"""
)
PLAYGROUNDS = {"digits": DIGITS, "photos": PHOTOS}
PAINTED, ECHO = 300, 17  # milliseconds for the medians: to a new reconstruction, to the echo in the page
TRANSFER = """
import torch
from lecturelib.data.digits import digits
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.transfer_lab import TransferLab

torch.set_num_threads(1)
pool, test = (tuple(map(torch.from_numpy, each)) for each in digits())
TransferLab({"print": VisionTransformer((1, 8, 8), side=2, width=32, heads=4, layers=2, classes=10)}, pool, test)
"""
RUNS = 5  # trainings of the lab; all but the first are stopped
FIRST_POINT, NEXT_POINT, STOPPED = 1000, 500, 1000  # milliseconds: from Start, from point to point, from Stop
SLIDERS = {
    "automaton stepper": LARGE_STEPPER,
    "gate scope": LARGE_SCOPE.replace("GateScope(read)", FORCE),
    "cost explorer": COSTS,
}
CELLS = [*SLIDERS.values()]
CELLS += [EXPLORER.format(tokens=tokens) for tokens in FRAMES]
CELLS += [*PLAYGROUNDS.values(), LOOKS, TRANSFER]

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
    """Move the first slider of a cell's widget up and down; return the milliseconds until each new picture."""
    out = page.locator(".jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")
    picture = out.locator(PICTURE)
    picture.scroll_into_view_if_needed()
    handle = out.locator(".noUi-handle").first
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


# The clock starts at the key or the pointer, and stops in the first task after the frame that shows an answer to it.
ANSWER_CLOCK = """([root, node, kind, limit]) => { window.answered = new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`no answer within ${limit} ms`)), limit);
  node.addEventListener(kind, (event) => {
    let waited = false;
    const look = () => {
      const waiting = root.dataset.waiting === 'true';
      waited ||= waiting;
      if (!waited || waiting) return requestAnimationFrame(look);
      const channel = new MessageChannel();
      channel.port1.onmessage = () => resolve(performance.now() - event.timeStamp);
      channel.port2.postMessage(0);
    };
    requestAnimationFrame(look);
  }, {once: true, capture: true});
}); }"""


def play(page: Any, cell: int, side: int) -> dict[str, list[float]]:
    """Click patches of a playground and toggle them with the keys; return the times to the echo and to the answer."""
    out = page.locator(".jp-CodeCell").nth(cell).locator(".lec-playground")
    out.evaluate("node => node.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(500)
    stage = out.locator(".stage").nth(1)
    box = stage.bounding_box()
    times: dict[str, list[float]] = {name: [] for name in ("click, echo", "click, answer", "key, answer")}
    for move in range(MOVES + 2):
        n = (move * 37 + 5) % side**2
        x, y = (box[axis] + (k + 0.5) * box["width"] / side for axis, k in (("x", n % side), ("y", n // side)))
        for what in times:
            handles = [stage.element_handle(), "pointerdown" if "click" in what else "keydown", LIMIT]
            if what.endswith("echo"):
                page.evaluate(FRAME_CLOCK, handles)
            else:
                page.evaluate(ANSWER_CLOCK, [out.element_handle(), *handles])
            if "click" in what:
                page.mouse.click(x, y)
            else:
                stage.focus()
                page.keyboard.press(" ")
            times[what].append(float(page.evaluate("() => window.answered")))
            page.wait_for_timeout(250)  # longer than the playground's own pause between two questions
    return {name: each[2:] for name, each in times.items()}


def look(page: Any, cell: int) -> list[float]:
    """Move over the patches of a playground; return the milliseconds to each painted frame."""
    out = page.locator(".jp-CodeCell").nth(cell).locator(".lec-playground")
    out.evaluate("node => node.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(500)
    stage = out.locator(".stage").first
    box, times = stage.bounding_box(), []
    for move in range(MOVES + 2):
        n = (move * 5 + 3) % 16
        page.evaluate(FRAME_CLOCK, [stage.element_handle(), "pointermove", LIMIT])
        page.mouse.move(*(box[axis] + (k + 0.5) * box["width"] / 4 for axis, k in (("x", n % 4), ("y", n // 4))))
        times.append(float(page.evaluate("() => window.answered")))
        page.wait_for_timeout(60)
    return times[2:]


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


def train(page: Any, cell: int) -> dict[str, list[float]]:
    """Train in a transfer lab, once to the end; return the times to the first point, each next one, and the stop."""
    out = page.locator(".jp-CodeCell").nth(cell).locator(".lec-transfer")
    out.evaluate("node => node.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(1000)
    out.evaluate(GROWTH)
    times: dict[str, list[float]] = {"first point": [], "next point": [], "stop": []}
    for run in range(RUNS):
        out.get_by_role("button", name="Start").click()
        page.wait_for_function("() => window.count >= 4", timeout=6 * LIMIT)
        if run:
            out.get_by_role("button", name="Stop").click()
        page.wait_for_function(
            "(root) => root.dataset.running === 'false'", arg=out.element_handle(), timeout=6 * LIMIT
        )
        page.wait_for_timeout(300)
        points = page.evaluate("window.points")
        times["first point"].append(points[1] - points[0])
        times["next point"] += [after - before for before, after in pairwise(points[1:])]
        times["stop"] += [page.evaluate("window.ended")] * (run > 0)
    return times


def main() -> None:
    """Measure the sliders and the hovers, and print one row for each."""
    if lab.MISSING:
        raise SystemExit(lab.HOW)
    with tempfile.TemporaryDirectory() as folder:
        lab.write(Path(folder) / "widgets.ipynb", CELLS)
        with lab.lab(Path(folder)) as started:
            page = started.run("widgets.ipynb")
            page.locator(PICTURE).nth(1).wait_for()
            print(f"{'what':<36}{'moves':>6}{'median ms':>16}{'slowest ms':>12}")
            for cell, name in enumerate(SLIDERS):
                row(name, measure(page, cell), BAR)
            for cell, (tokens, bar) in enumerate(FRAMES.items(), len(SLIDERS)):
                for place, times in hover(page, cell, tokens).items():
                    row(f"explorer, {tokens} tokens, {place}", times, bar)
            for cell, name in enumerate(PLAYGROUNDS, len(SLIDERS) + len(FRAMES)):
                for what, times in play(page, cell, {"digits": 4, "photos": 8}[name]).items():
                    row(f"playground, {name}, {what}", times, ECHO if what.endswith("echo") else PAINTED)
            row("playground, hover", look(page, CELLS.index(LOOKS)), ECHO)
            bars = (FIRST_POINT, NEXT_POINT, STOPPED)
            for (what, times), bar in zip(train(page, len(CELLS) - 1).items(), bars, strict=True):
                row(f"transfer lab, {what}", times, bar)


def row(name: str, times: list[float], bar: float) -> None:
    print(f"{name:<36}{len(times):>6}{statistics.median(times):>10.0f} /{bar:>4}{max(times):>12.0f}")


if __name__ == "__main__":
    main()
