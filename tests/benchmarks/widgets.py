"""Print how fast the widgets answer: python -m tests.benchmarks.widgets.

Mouse and keys work them in a real JupyterLab, and the time is taken in the page. The attention explorer and the echo of
the patch playground need no kernel: to the end of the frame that shows the change. The playground's reconstruction: to
the end of the frame with the new picture. The transfer lab: from the click on Start to the first point of the curve,
from one point to the next, and from the click on Stop to the end that is shown.
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

FRAMES = {64: 20, 200: 50}  # tokens: milliseconds for the median of a hover
PAINTED, ECHO = 300, 17  # milliseconds for the medians: to a new reconstruction, to the echo in the page
FIRST_POINT, NEXT_POINT, STOPPED = 1000, 500, 1000  # milliseconds: from Start, from point to point, from Stop
MOVES = 24
COLD = 2  # the first moves, which are not counted
RUNS = 4  # trainings of the lab, each stopped
LIMIT = 10_000  # milliseconds for one move

EXPLORER = """
import numpy as np
from lecturelib.widgets.attention_explorer import AttentionExplorer

scores = 2 * np.random.default_rng(0).normal(size=(2, {tokens}, {tokens}))
AttentionExplorer(scores, ["token"] * {tokens}, mask=np.tril(np.ones(({tokens}, {tokens}), dtype=bool)), d_k=16)
"""
PLAYGROUND = """
import torch
from lecturelib.data.digits import digits
from lecturelib.mae import MaskedAutoencoder
from lecturelib.vision import VisionTransformer
from lecturelib.widgets.patch_playground import PatchPlayground

torch.set_num_threads(1)
pool, test = (tuple(map(torch.from_numpy, each)) for each in digits())
vit = VisionTransformer((1, 8, 8), patch_size=2, d_model=48, num_heads=4, num_layers=2, num_classes=10)
PatchPlayground.masking(MaskedAutoencoder(VisionTransformer((1, 8, 8), 2, 48, 4, 2), 48, 4, 1), test[0][:10].numpy())
"""
TRANSFER = """
from lecturelib.widgets.transfer_lab import TransferLab
TransferLab({"print": vit}, pool, test)
"""
CELLS = [*(EXPLORER.format(tokens=tokens) for tokens in FRAMES), PLAYGROUND, TRANSFER]

# The clock starts at an event of `node`. It stops in the first task after a frame: the next one, or, if `root` is a
# figure that asks the kernel, that with the answer.
CLOCK = """([node, kind, root, limit]) => { window.answered = new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`no answer to ${kind} within ${limit} ms`)), limit);
  node.addEventListener(kind, (event) => {
    let waited = !root;
    const look = () => {
      const waiting = root?.dataset.waiting === 'true';
      waited ||= waiting;
      if (!waited || waiting) return requestAnimationFrame(look);
      const channel = new MessageChannel();
      channel.port1.onmessage = () => resolve(performance.now() - event.timeStamp);
      channel.port2.postMessage(0);
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


def timed(page: Any, node: Any, kind: str, act: Callable[[], object], root: Any = None) -> float:
    """Do something to a node; return the milliseconds from its event to the answer, then let the page rest."""
    page.evaluate(CLOCK, [node.element_handle(), kind, root and root.element_handle(), LIMIT])
    act()
    time = float(page.evaluate("() => window.answered"))
    page.wait_for_timeout(250)  # a hand pauses too; whatever else the page does ends here
    return time


def figure(page: Any, n: int, selector: str) -> Any:
    """Return what a cell shows, once all of it is in view."""
    out = page.locator(".jp-CodeCell").nth(n).locator(".jp-Cell-outputArea")
    out.locator(selector).first.evaluate("node => node.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(500)  # the scrolling ends
    return out


def hover(page: Any, n: int, tokens: int) -> list[float]:
    """Move over the map of an explorer."""
    view = figure(page, n, ".map").locator(".map")
    box, grid = view.bounding_box(), json.loads(view.get_attribute("data-grid"))
    times = []
    for row in ((move * 37 + 5) % tokens for move in range(MOVES + COLD)):
        x, y = (box[axis] + grid[side] + (k + 0.5) * grid["cell"]
                for axis, side, k in (("x", "left", row // 2), ("y", "top", row)))  # fmt: skip
        times.append(timed(page, view, "pointermove", partial(page.mouse.move, x, y)))
    return times


def play(page: Any, n: int) -> dict[str, list[float]]:
    """Click patches of a playground; return the times to the echo and to the answer."""
    root = figure(page, n, ".lec-playground").locator(".lec-playground")
    stage = root.locator(".stage").nth(1)
    box = stage.bounding_box()
    times: dict[str, list[float]] = {"echo": [], "answer": []}
    for move in range(MOVES + COLD):
        patch = (move * 5 + 3) % 16
        x, y = (box[axis] + (k + 0.5) * box["width"] / 4 for axis, k in (("x", patch % 4), ("y", patch // 4)))
        for what, asked in (("echo", None), ("answer", root)):
            times[what].append(timed(page, stage, "pointerdown", partial(page.mouse.click, x, y), asked))
    return times


def train(page: Any, n: int) -> dict[str, list[float]]:
    """Train in a transfer lab; return the times to the first point, each next one, and the stop."""
    out = figure(page, n, ".lec-transfer").locator(".lec-transfer")
    out.evaluate(GROWTH)
    times: dict[str, list[float]] = {"first point": [], "next point": [], "stop": []}
    for _ in range(RUNS):
        out.get_by_role("button", name="Start").click()
        page.wait_for_function("() => window.count >= 4", timeout=6 * LIMIT)
        out.get_by_role("button", name="Stop").click()
        page.wait_for_function("() => window.ended", timeout=6 * LIMIT)
        points = page.evaluate("window.points")
        times["first point"].append(points[1] - points[0])
        times["next point"] += [after - before for before, after in pairwise(points[1:])]
        times["stop"].append(page.evaluate("window.ended"))
    return times


def row(name: str, times: list[float], bar: float) -> None:
    print(f"{name:<36}{len(times):>6}{statistics.median(times):>10.0f} /{bar:>4}{max(times):>12.0f}", flush=True)


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
            for n, (tokens, bar) in enumerate(FRAMES.items()):
                row(f"explorer, {tokens} tokens", hover(page, n, tokens)[COLD:], bar)
            for (what, times), bar in zip(play(page, 2).items(), (ECHO, PAINTED), strict=True):
                row(f"playground, {what}", times[COLD:], bar)
            for (what, times), bar in zip(train(page, 3).items(), (FIRST_POINT, NEXT_POINT, STOPPED), strict=True):
                row(f"transfer lab, {what}", times, bar)


if __name__ == "__main__":
    main()
