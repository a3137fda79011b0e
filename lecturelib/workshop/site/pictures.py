"""Film the exhibits for the README.

A browser shows each exhibit, a pointer moves over it, and every step becomes a frame of an animated WebP: what a
reader of the site sees, on a white card, so that it fits light and dark pages.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from lecturelib.workshop import Failed
from lecturelib.workshop.site.exhibits import Exhibit, characters, circuit, hidden_photos
from lecturelib.workshop.whole import replace

STATIC = Path(__file__).parent / "static"
LIMIT = 300_000  # bytes of a picture
RATIO = 1.5  # pixels of the picture for one of the page: sharp on good screens
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
POINTER = """<svg id="pointer" width="22" height="30" viewBox="0 0 22 30" style="position: absolute; z-index: 9;
  pointer-events: none"><path d="M2 2v22l5-5 4 9 4-2-4-9h8z" fill="#fff" stroke="#000" stroke-width="1.6"/></svg>"""
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><style>
  body {{ margin: 0; background: #fff; color: #111; }}
  #card {{ width: {width}px; padding: 12px 14px; box-sizing: border-box; position: relative; }}
</style><body><div id="card"><div data-exhibit="{name}"><img alt=""></div></div>{pointer}</body></html>"""


def film_characters(page: Any) -> Iterator[int]:
    """Point at one character after the other; yield how many milliseconds each frame stays."""
    page.locator("button.head").nth(HEAD).click()
    tokens = page.locator(".lec-explorer .strip .token")
    for n in CHARACTERS:
        _point(page, tokens.nth(n))
        yield 800


def film_circuit(page: Any) -> Iterator[int]:
    """Point at the tokens of the sentence's end, where a name comes again; yield how long each frame stays."""
    page.locator(".lec-explorer .strip .token").nth(len(CIRCUIT) + 7).click()  # let go of the one that is held
    tokens = page.locator(".lec-explorer .strip .token")
    for n in CIRCUIT:
        _point(page, tokens.nth(n))
        yield 900


def film_photo(page: Any) -> Iterator[int]:
    """Hide patches by a stroke, then by draws; yield how many milliseconds each frame stays."""
    page.get_by_role("button", name="next image").click()
    page.get_by_role("button", name="show all").click()
    stage = page.locator(".lec-playground .stage").nth(1)
    box = stage.bounding_box()
    side = box["width"] / 8

    def over(row: int, column: int) -> None:
        _move(page, box["x"] + (column + 0.5) * side, box["y"] + (row + 0.5) * side)

    over(*STROKE[0])
    page.mouse.down()
    for row, column in STROKE:
        over(row, column)
        yield 260
    page.mouse.up()
    yield 1000
    slider = page.get_by_label("share of hidden patches")
    _point(page, slider)
    slider.fill("40")
    yield 1200
    for kind in ("random", "grid"):
        button = page.get_by_role("button", name=kind)
        _point(page, button)
        button.click()
        yield 1300


HEAD = 6  # the third head of layer 2: it looks at few characters at once
CHARACTERS = range(8, 20)
CIRCUIT = range(9, 18)
STROKE = [(2, 2), (2, 3), (2, 4), (2, 5), (3, 5), (4, 5), (5, 5), (5, 4)]  # rows and columns of patches
FILMS: dict[str, tuple[Callable[[], Exhibit], int, Callable[[Any], Iterator[int]]]] = {
    "attention_explorer.webp": (lambda: characters("A class is an object"), 970, film_characters),
    "induction_head.webp": (circuit, 970, film_circuit),
    "patch_playground.webp": (hidden_photos, 780, film_photo),
}


def record(browser: Any, exhibit: Exhibit, width: int, film: Callable[[Any], Iterator[int]]) -> bytes:
    """Show an exhibit on a card of so many pixels, play its film, and return it as an animated WebP."""
    page = browser.new_page(viewport={"width": width, "height": 1400}, device_scale_factor=RATIO)
    try:
        page.set_default_timeout(20_000)
        page.set_content(PAGE.format(width=width, name=exhibit.name, pointer=POINTER))
        for script in ((STATIC / "exhibits.js").read_text(encoding="utf-8"), exhibit.script()):
            page.add_script_tag(content=script)
        page.locator("[data-alive]").wait_for()
        frames, times = [], []
        for milliseconds in film(page):
            page.wait_for_function("() => !document.querySelector('[data-waiting=true]')")
            page.evaluate(FRAMES)
            shot = page.locator("#card").screenshot(type="png")
            frames.append(Image.open(io.BytesIO(shot)).convert("RGB"))
            times.append(milliseconds)
    finally:
        page.close()
    return animated(frames, times)


def animated(frames: Sequence[Image.Image], times: Sequence[int]) -> bytes:
    """Return frames of one size as an animated WebP that repeats for ever, each shown for so many milliseconds."""
    file = io.BytesIO()
    options: dict[str, Any] = {"lossless": True, "method": 6}  # of a drawing smaller than with loss
    frames[0].save(file, "webp", save_all=True, append_images=frames[1:], duration=list(times), loop=0, **options)
    return file.getvalue()


def _point(page: Any, target: Any) -> None:
    box = target.bounding_box()
    _move(page, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def _move(page: Any, x: float, y: float) -> None:
    """Move the mouse, and the arrow that stands for it in the picture."""
    page.mouse.move(x, y)
    page.evaluate("([x, y]) => Object.assign(pointer.style, {left: `${x}px`, top: `${y}px`})", [x, y])


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a Chromium of this machine without a window. Raises: ValueError where there is none."""
    program = os.environ.get("LECTURELIB_BROWSER") or shutil.which("chromium")
    if not program:
        raise ValueError("no browser: have a Chromium on PATH as `chromium`, or name it in LECTURELIB_BROWSER")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--disable-gpu", "--no-first-run", "--disable-background-networking"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            flags.append("--no-sandbox")  # a Chromium that root starts runs only so
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=flags)
        yield browser
        browser.close()


def film_all(folder: Path) -> None:
    """Film all exhibits that the README shows, and write the pictures into a folder.

    Raises: ValueError for a folder that is not there, or where there is no browser; Failed for a picture that is too
        large, and then none is written.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: expected one that is there, such as .github")
    with chromium() as browser:
        made = {name: record(browser, make(), width, film) for name, (make, width, film) in FILMS.items()}
    for name, content in made.items():
        if len(content) > LIMIT:
            raise Failed(f"{name} has {len(content):,} bytes: at most {LIMIT:,}; take fewer frames, or a narrower card")
    replace({folder / name: partial(Path.write_bytes, data=content) for name, content in made.items()})
    for name, content in made.items():
        print(f"{folder / name}: {len(content):,} bytes")
