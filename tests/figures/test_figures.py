"""Every figure can be read: it is drawn the same each time, and no text is small, cut off or under another text."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image

from lecturelib.automata import DFA, counter, reber
from lecturelib.figures import automata, lstm, recurrent_networks, start, style

ROOT = Path(__file__).parents[2]
MODULES = [automata, lstm, recurrent_networks, start]
NO_FIGURE = {"groups_of"}  # public, but computes what a figure shows
SMALLEST = 11  # points: what the last row of a lecture hall can read
TOLERANCE = 1.0  # pixels that the boxes of two texts may share: letters do not fill their boxes

MODULO_3 = counter(3)
COLOURS = 20  # of the shades at the edges of letters and marks alone there are more


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def into(width: float, height: float, draw: Callable[..., None], *args: Any) -> style.LectureFigure:
    """Draw with a function that fills a figure it is given, as a widget does."""
    figure = style.new_figure(width, height, "a frame of an interactive figure")
    draw(figure, *args)
    return figure


def one_automaton(dfa: DFA, **options: Any) -> style.LectureFigure:
    figure = style.new_figure(6, 5.5, "an automaton")
    (ax,) = style.axes(figure)
    automata.draw_automaton(ax, dfa.table, dfa.accepting, dfa.symbols, names=dfa.names, **options)
    return figure


def read_back(spread: float, seed: int) -> style.LectureFigure:
    """Six groups of hidden states, and an automaton that keeps each as a state of its own."""
    true, symbol = np.repeat([0, 1, 2], 100), np.tile(np.repeat([0, 1], 50), 3)
    states = noise(6, 16, seed=seed)[2 * true + symbol] + spread * noise(300, 16, seed=seed + 1)
    pairs = [[2 * MODULO_3.table[s, a] + a for a in range(2)] for s in range(3) for _ in range(2)]
    found = DFA(pairs, accepting=[0, 1], symbols="01")
    return recurrent_networks.read_back(states, 2 * true + symbol, true, symbol, found, found.minimise())


def stepper(dfa: DFA, string: str, position: int, accepted: bool) -> style.LectureFigure:
    plane, background = noise(len(string) + 1, 2, seed=1), noise(90, 2, seed=2)
    states = np.arange(90) % len(dfa.table)
    return into(10, 4.9, recurrent_networks.stepper_frame, dfa, string, position, dfa.run(string), plane, background,
                states, accepted)  # fmt: skip


def compiled(string: str) -> style.LectureFigure:
    on = [2 * MODULO_3.run(string)[t] + int(string[max(t - 1, 0)]) for t in range(len(string) + 1)]
    states = 2 * np.eye(6)[on] - 1
    return recurrent_networks.compiled_units(states, string, MODULO_3.table, "01")


def scope(string: str, forced: str | None, limit: float, key: int = 0) -> style.LectureFigure:
    steps = len(string)
    gates = {name: sigmoid(noise(steps, seed=k)) for k, name in enumerate("ifo")}
    answer = np.array([0.1, 0.7, 0.15, 0.05])
    return into(12, 4.3, lstm.gate_scope_frame, string, limit * sigmoid(noise(steps, 16)), gates, forced, answer, key,
                limit)  # fmt: skip


def film(step: int, accuracy: float) -> style.LectureFigure:
    steps = list(range(0, 601, 20))
    return into(10, 4.6, start.learning_frame, noise(300, 2), np.arange(300) % 3, np.array([[-3.0, -3], [3, 3]]), step,
                steps, [accuracy] * 10 + [0.999] * 21, 0.67)  # fmt: skip


def gates_over_time(string: str) -> style.LectureFigure:
    i, f, o, c = (noise(len(string), 16, seed=k) for k in range(4))
    return lstm.gates_over_time(sigmoid(i), sigmoid(f), sigmoid(o), 4 * c, string)


def forgetting(delays: list[int], arms: list[str]) -> style.LectureFigure:
    rng = np.random.default_rng(0)
    recall = {arm: rng.uniform(0.2, 1, (3, len(delays))) for arm in arms}
    gradient = {arm: 10.0 ** rng.uniform(-15, 1, (3, len(delays))) for arm in arms}
    return lstm.forgetting(delays, recall, gradient, chance=0.25)


def holding(delays: list[int]) -> style.LectureFigure:
    rng = np.random.default_rng(0)
    own, new = ({name: rng.uniform(0, 1, (5, len(delays))) for name in ARMS} for _ in range(2))
    return lstm.holding(delays, own, new, trained=delays[0])


def per_string(*last: float) -> style.LectureFigure:
    names = ["one bit at the end", "the legal set at each step", "the next symbol at each step"]
    chosen = {name: np.array([[[0.5, 0.6, end]] * 3] * 2) for name, end in zip(names, last, strict=True)}
    return recurrent_networks.per_string([30, 100, 300], chosen)


def counting(seeds: int, trained: int) -> style.LectureFigure:
    right = {name: np.arange(1, 41) < trained + np.arange(seeds)[:, None] for name in ("tanh RNN", "LSTM")}
    return recurrent_networks.counting_limits(right, trained)


ARMS = ["tanh RNN", "LSTM, torch's start", "LSTM, forget bias 1", "LSTM, forget bias 5"]
READ = "yxwzwxyAyxwzywwwxyzzxwxzw"  # 25 symbols, as in notebook 02

CASES: dict[str, dict[str, Callable[[], style.LectureFigure]]] = {
    "automata.draw_automaton": {
        "three states": lambda: one_automaton(MODULO_3),
        "six states": lambda: one_automaton(counter(6), current=4),
        "two symbols on one arrow": lambda: one_automaton(DFA([[1, 1], [0, 0]], [0], "ab"), current=1),
    },
    "recurrent_networks.automaton": {
        "none current": lambda: recurrent_networks.automaton(MODULO_3),
        "one current": lambda: recurrent_networks.automaton(MODULO_3, current=2),
    },
    "recurrent_networks.reber_grammar": {"as it is": lambda: recurrent_networks.reber_grammar(reber())},
    "recurrent_networks.compiled_units": {
        "four symbols": lambda: compiled("1101"),
        "twelve symbols": lambda: compiled("110101110010"),
    },
    "recurrent_networks.read_back": {
        f"seed {seed}, {name} groups": partial(read_back, spread, seed)
        for seed, name, spread in ((0, "tight", 0.05), (0, "loose", 0.5), (2, "loose", 0.5), (3, "tight", 0.05))
    },
    "recurrent_networks.cluster_counts": {
        "three cells": lambda: recurrent_networks.cluster_counts(
            {"tanh RNN": [6, 11, 9, 12, 11], "LSTM": [4, 6, 4], "GRU": [5, 4, 5]},
            {"tanh RNN": [3] * 5, "LSTM": [3] * 3, "GRU": [3] * 3},
        )
    },
    "recurrent_networks.counting_limits": {
        "trained to 10": lambda: counting(3, 10),
        "trained to 5, five seeds": lambda: counting(5, 5),
    },
    "recurrent_networks.padded_batch": {
        "six strings": lambda: recurrent_networks.padded_batch([1, 8, 15, 22, 5, 12]),
        "one as long as the others": lambda: recurrent_networks.padded_batch([4, 4]),
    },
    "recurrent_networks.next_symbols": {
        "embedded Reber": lambda: recurrent_networks.next_symbols(
            "BPBTXXVPSEPE", sigmoid(noise(12, 8)), noise(12, 8) > 1, "BTSXPVE$"
        )
    },
    "recurrent_networks.per_string": {
        "apart": lambda: per_string(0.81, 0.9, 0.99),
        "all perfect": lambda: per_string(1.0, 1.0, 1.0),
        "two close together": lambda: per_string(0.81, 0.985, 0.99),
        "all at chance": lambda: per_string(0.51, 0.5, 0.5),
    },
    "recurrent_networks.stepper_frame": {
        "at the start": lambda: stepper(MODULO_3, "110101", 0, True),
        "at the end": lambda: stepper(MODULO_3, "110101", 6, False),
        "the empty string": lambda: stepper(MODULO_3, "", 0, True),
        "24 symbols": lambda: stepper(MODULO_3, "10" * 12, 24, False),
        "24 symbols, nothing read": lambda: stepper(MODULO_3, "10" * 12, 0, False),
        "five states": lambda: stepper(counter(5), "11111", 3, False),
    },
    "lstm.forgetting": {
        "four networks": lambda: forgetting([5, 10, 20, 40, 60], ARMS),
        "two networks": lambda: forgetting([10, 30], ARMS[:2]),
    },
    "lstm.holding": {
        "five delays": lambda: holding([60, 80, 120, 200, 400]),
        "three delays": lambda: holding([20, 60, 100]),
    },
    "lstm.survival": {
        "four biases": lambda: lstm.survival([0, 1, 3, 5], steps=60),
        "a short time": lambda: lstm.survival([0, 3, 5], steps=20),
        "large biases": lambda: lstm.survival([-2, 5, 6, 7], steps=40),
    },
    "lstm.gates_over_time": {
        "25 symbols": lambda: gates_over_time(READ),
        "12 symbols": lambda: gates_over_time(READ[:12]),
    },
    "lstm.gate_scope_frame": {
        "nothing forced": lambda: scope(READ, None, 10),
        "forgotten": lambda: scope(READ, "f", 0.4, key=3),
        "input forced": lambda: scope(READ[3:15], "i", 104.0, key=1),
        "output forced": lambda: scope(READ, "o", 3),
    },
    "start.lecture_map": {
        "all": start.lecture_map,
        "two written": lambda: start.lecture_map(written=2),
    },
    "start.learning_frame": {
        "the first frame": lambda: film(0, 0.67),
        "a later frame": lambda: film(240, 0.75),
        "worse than the baseline": lambda: film(600, 0.52),
    },
}
FIGURES = {f"{name}: {case}": make for name, cases in CASES.items() for case, make in cases.items()}
every_figure = pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)


def texts(figure: Figure) -> list[tuple[Text, Any]]:
    """Draw the figure and return each text that is seen, with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    with matplotlib.rc_context(style._RC):  # as `png` draws it
        canvas.draw()
    renderer = canvas.get_renderer()
    unseen = {id(label) for axis in figure.findobj(Axis) for label in _labels_out_of_view(axis)}
    return [
        # of an annotation the words alone: its arrow may well touch something
        (text, Text.get_window_extent(text, renderer) if isinstance(text, Annotation) else text.get_window_extent())
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in unseen
    ]


def _labels_out_of_view(axis: Any) -> list[Text]:
    """The labels of ticks beyond the ends of an axis: they exist, and are never drawn."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    slack = 1e-9 * (high - low)
    beyond = [tick for tick in ticks if not low - slack <= tick.get_loc() <= high + slack]
    hidden = [] if axis.axes is None or axis.axes.axison else ticks
    return [label for tick in [*beyond, *hidden] for label in (tick.label1, tick.label2)]


def faults(figure: Figure) -> list[str]:
    """Say which texts are too small, cut off by the figure's border, or under another text."""
    found = []
    seen = texts(figure)
    for text, box in seen:
        size = float(text.get_fontsize())
        if size < SMALLEST:
            found.append(f"{text.get_text()!r} has {size:.1f} points: expected at least {SMALLEST}")
        edge = figure.bbox
        if min(box.x0 - edge.x0, box.y0 - edge.y0, edge.x1 - box.x1, edge.y1 - box.y1) < -TOLERANCE:
            found.append(f"{text.get_text()!r} is cut off by the border of the figure")
    for (one, a), (other, b) in combinations(seen, 2):
        wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if wide > TOLERANCE and high > TOLERANCE:
            found.append(f"{one.get_text()!r} and {other.get_text()!r} share {wide:.0f} x {high:.0f} pixels")
    return found


def test_every_public_function_is_drawn_here():
    public = {
        f"{module.__name__.rsplit('.', 1)[1]}.{name}"
        for module in MODULES
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert {name for name in public if name.split(".")[1] not in NO_FIGURE} == set(CASES)
    files = {path.stem for path in (ROOT / "lecturelib/figures").glob("*.py")}
    drawing = {module.__name__.rsplit(".", 1)[1] for module in MODULES}
    assert files == drawing | {"__init__", "plane", "style"}, "a new file of figures belongs into MODULES and CASES"


@every_figure
def test_a_figure_can_be_read(make):
    found = faults(make())
    assert not found, "\n".join(found)


@every_figure
def test_a_figure_is_drawn_the_same_each_time_and_changes_no_setting(make):
    before = matplotlib.rcParams.copy()
    figure = make()
    assert isinstance(figure, style.LectureFigure)
    assert len(figure.says.split()) >= 2 and repr(figure) == f"Figure: {figure.says}"
    first = figure._repr_png_()
    assert figure._repr_png_() == first == make()._repr_png_()
    assert matplotlib.rcParams.copy() == before
    image = Image.open(BytesIO(first))
    wide, high = figure.get_size_inches() * 100
    assert image.size == (round(wide), round(high))
    colours = image.convert("RGB").getcolors(image.size[0] * image.size[1])
    assert colours is not None and len(colours) > COLOURS


def test_a_figure_that_returns_itself_says_more_than_a_name():
    for name, cases in CASES.items():
        for make in cases.values():
            if name.endswith(("_frame", "draw_automaton")):  # drawn into a figure that another gave a sentence
                continue
            assert len(make().says.split()) >= 6, name


def test_pyplot_is_never_imported_and_importing_changes_no_setting():
    program = (
        "import sys\n"
        "import matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"
        "from tests.figures.test_figures import CASES\n"
        "for cases in CASES.values():\n"
        "    next(iter(cases.values()))()._repr_png_()\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'a figure uses pyplot, which keeps every figure in memory'\n"
        "assert matplotlib.rcParams.copy() == before, 'a setting was changed for everybody'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


# What follows shows that the test bites: figures with one fault each.


def spoiled(*words: tuple[float, float, str], **options: Any) -> style.LectureFigure:
    figure = style.new_figure(4, 3, "a figure with a fault")
    for x, y, word in words:
        figure.text(x, y, word, **{"fontsize": 13, **options})
    return figure


def crowded_ticks() -> style.LectureFigure:
    figure = style.new_figure(3, 3, "a figure with crowded ticks")
    (ax,) = style.axes(figure)
    ax.set_xticks(range(12), ["symbol"] * 12, fontsize=12)
    ax.tick_params("y", labelsize=12)
    return figure


def legend_over_label() -> style.LectureFigure:
    figure = style.new_figure(4, 3, "a figure whose legend stands on a label")
    (ax,) = style.axes(figure)
    ax.plot([0, 1], label="a line")
    ax.annotate("beside the line", (0.5, 0.5), ha="center", va="center", fontsize=12)
    ax.legend(loc="center", fontsize=12)
    ax.tick_params(labelsize=12)
    return figure


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: spoiled((0.2, 0.5, "one word"), (0.3, 0.52, "another")), "'one word' and 'another' share"),
        (lambda: spoiled((0.9, 0.5, "too long for here")), "cut off"),
        (lambda: spoiled((0.1, 0.99, "too high")), "cut off"),
        (lambda: spoiled((0.1, 0.5, "too small"), fontsize=10.5), "10.5 points"),
        (crowded_ticks, "'symbol' and 'symbol' share"),
        (legend_over_label, "'beside the line' and 'a line' share"),
    ],
)
def test_a_figure_with_a_fault_is_refused(make, says):
    assert any(says in fault or _swapped(says) in fault for fault in faults(make())), faults(make())


def _swapped(says: str) -> str:
    """The same sentence with its two texts exchanged."""
    one, _, rest = says.partition(" and ")
    other, _, end = rest.rpartition(" ")
    return f"{other} and {one} {end}"


def test_a_good_figure_has_no_fault():
    figure = spoiled((0.2, 0.5, "one word"), (0.2, 0.7, "another"))
    assert len(texts(figure)) == 2 and faults(figure) == []
