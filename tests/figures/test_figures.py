"""Every figure can be read: it is drawn the same each time, and no text is small, cut off or under another text."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
import pytest
import torch
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Annotation, Text
from PIL import Image
from torch.nn import Module

from lecturelib.automata import DFA
from lecturelib.figures import (
    attention,
    colors,
    drawings,
    lstm,
    mae,
    maps,
    parts,
    patch_playground,
    pictures,
    scaling,
    start,
    style,
    transfer,
    transfer_drawings,
    transformer,
    vision,
    vision_drawings,
)  # fmt: skip
from lecturelib.figures.units import BYTES, LONG_TIMES, SECONDS, in_unit, plain, power
from lecturelib.figures.words import in_words
from lecturelib.fine_tuning import fine_tune
from lecturelib.mae import MaskedAutoencoder
from lecturelib.transfer import add_lora
from lecturelib.transformer import EncoderDecoder
from lecturelib.vision import VisionTransformer
from tests.strategies import counter
from tests.tools import refuses

ROOT = Path(__file__).parents[2]
SHARED = {"automata", "colors", "given", "maps", "paper", "parts", "pictures", "plane", "style", "units", "words"}
SMALLEST = 11  # points: what the last row of a lecture hall can read
TOLERANCE = 1.0  # pixels that the boxes of two texts may share: letters do not fill their boxes

# What the figures are given: arrays as the notebooks make them.

MODULO_3 = counter(3)
READ = "yxwzwxyAyxwzywwwxyzzxwxzw"  # 25 symbols, as in notebook 02
WORDS = ["The", "attention", "of", "a", "head", "is", "a", "soft", "look-up", "in", "a", "table", "of", "values", "."]
ARMS = ["tanh RNN, orthogonal", "LSTM, open gate", "LSTM, f = 1 for good", "open gate, f = 1 forced later"]
BUGS = ["the correct model", "mask off by one", "softmax over queries", "positions along the batch", *"abcdefg"]
METHODS = ["mean image", "Gaussian fill-in", "5 nearest neighbors", "masked autoencoder"]
CLASSIFIERS = ["logistic regression", "k nearest neighbors", "SVC", "CNN", "ViT"]
SOURCES = ["print, fine-tuned", "print, probe", "letters, fine-tuned", "handwriting, masked, probe", "ink, fine-tuned",
           "random labels, fine-tuned", "pixels"]  # fmt: skip
LABELS = [1, 2, 5, 10, 20, 50, 100]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)


def triangle(n: int, wide: int | None = None) -> np.ndarray:
    return np.tril(np.ones((n, wide or n), dtype=bool))


def seeds(names: list[str], n: int, count: int = 3, low: float = 0.2, high: float = 0.97) -> dict[str, np.ndarray]:
    """Results (count, n) between two numbers; the last of these names rise the least."""
    rises = {name: np.linspace(low, high - 0.5 * k * (high - low) / len(names), n) for k, name in enumerate(names)}
    return {name: rise + 0.02 * (high - low) * noise(count, n, seed=k) for k, (name, rise) in enumerate(rises.items())}


def last(*names: str, low: float = 0.2, high: float = 0.97) -> dict[str, np.ndarray]:
    return {name: each[:, -1] for name, each in seeds(list(names), 2, low=low, high=high).items()}


def image(channels: int = 1, side: int = 8, seed: int = 0) -> np.ndarray:
    return sigmoid(3 * noise(channels, side, side, seed=seed))


def images(n: int, channels: int = 1, side: int = 16, seed: int = 0) -> np.ndarray:
    return np.stack([image(channels, side, seed + k) for k in range(n)])


def pieces(shown: np.ndarray, side: int) -> np.ndarray:
    """The patches (N, C, P, P) of an image, row by row."""
    C, height, width = shown.shape
    cut = shown.reshape(C, height // side, side, width // side, side)
    return cut.transpose(1, 3, 0, 2, 4).reshape(-1, C, side, side)


def hide(n: int, patches: int, ratio: float = 0.75) -> np.ndarray:
    mask = np.arange(patches) >= round((1 - ratio) * patches)
    return np.stack([np.random.default_rng(k).permutation(mask) for k in range(n)])


def read_back(spread: float) -> tuple[Any, ...]:
    """Six groups of hidden states, and an automaton that keeps each as a state of its own."""
    strings = ["".join(map(str, row)) for row in np.random.default_rng(0).integers(2, size=(20, 15))]
    group = np.array(
        [[2 * s + int(a) for s, a in zip(MODULO_3.run(each), "0" + each, strict=True)] for each in strings]
    )
    states = noise(6, 16)[group] + spread * noise(20, 16, 16, seed=1)
    pairs = [[2 * MODULO_3.table[s, a] + a for a in range(2)] for s in range(3) for _ in range(2)]
    found = SimpleNamespace(dfa=DFA(pairs, accepting=[0, 1], alphabet="01"), clusters=group)
    return states, strings, found, MODULO_3


def moment(dfa: DFA, string: str, position: int) -> tuple[Any, ...]:
    """What the automaton stepper draws."""
    plane, background = noise(len(string) + 1, 2, seed=1), noise(90, 2, seed=2)
    return dfa, string, position, dfa.run(string), plane, background, np.arange(90) % len(dfa.table), True


def scope(string: str, forced: str | None, limit: float) -> tuple[Any, ...]:
    """What the gate scope draws."""
    gates = {name: sigmoid(noise(len(string), seed=k)) for k, name in enumerate("ifo")}
    return string, limit * sigmoid(noise(len(string), 16)), gates, forced, np.array([0.1, 0.7, 0.15, 0.05]), 0, limit


def film(step: int) -> tuple[Any, ...]:
    window, accuracy = np.array([[-3.0, -3], [3, 3]]), [0.6] * 10 + [0.999] * 21
    return noise(300, 2), np.arange(300) % 3, window, step, list(range(0, 601, 20)), accuracy, 0.67


def costs(*held: float, second: float = 1e12, memory: float = 2e9, rate: float = 35e9) -> tuple[Any, ...]:
    """What the cost explorer draws."""
    title = "One training step: n = 65,536, D = 8,192, L = 96, H = 128, B = 64"
    names = ["weights, gradients, Adam", "kept, explicit", "kept, fused", "kept, LSTM"]
    operations = {"transformer": (3e12, second), "LSTM": (1e12, 0)}
    machines = {"this machine, 2.2 GB": memory, "24 GB": 24e9, "80 GB": 80e9}
    return (title, operations, ("the token itself", "looking at n tokens"), rate,
            dict(zip(names, held, strict=False)), machines)  # fmt: skip


def heads(layers: int, count: int, queries: list[str], keys: list[str]) -> tuple[Any, ...]:
    """What the attention explorer leaves behind."""
    weights = softmax(2 * noise(layers, count, len(queries), len(keys)))
    return weights, queries, keys, None, [f"layer {k + 1}" for k in range(layers)]


def looked_at(n: int, channels: int, count: int) -> tuple[Any, ...]:
    """What the attention mode of the patch playground leaves behind."""
    names = [*(f"head {k + 1}" for k in range(count)), "rollout", "occlusion"]
    given = {name: np.abs(noise(n, 4, 4, seed=k)) for k, name in enumerate(names)}
    return images(n, channels, 8), given, ["says automobile\nis $airplane"] * n, ["occlusion"], "heads of layer 2"


def filled_in(n: int, channels: int) -> tuple[Any, ...]:
    """What its masking mode leaves behind."""
    return images(n, channels, 8), hide(n, 16), images(n, channels, 8, seed=9), 2, [(0.04, 0.4)] * n, "network"


def runs(*names: str) -> dict[str, tuple[list[int], np.ndarray]]:
    """What the transfer lab leaves behind: runs of three seeds, the run of now first."""
    rise = np.linspace(0, 0.7, 21)[:, None] + 0.1 + noise(21, 3) / 40
    return {name: (list(range(0, 210, 10)), rise * 0.9**k) for k, name in enumerate(names)}


def derivatives(*names: str) -> dict[str, np.ndarray]:
    every = np.exp(3 * noise(10, 10))
    return {name: (np.eye(10), every, np.tril(every))[k % 3] for k, name in enumerate(names)}


def ways(shown: np.ndarray, side: int, *names: str) -> tuple[Any, ...]:
    """Ways to cut an image: the first is right, the others take the pixels in the order in which they stand."""
    numbers = np.arange(float(shown[0].size)).reshape(1, *shown.shape[1:])
    cut, where = (
        {name: x.reshape(-1, len(x), side, side) if k else pieces(x, side) for k, name in enumerate(names)}
        for x in (shown, numbers)
    )
    return shown, cut, where


def arms(count: int) -> dict[str, np.ndarray]:
    found = {f"{SOURCES[k % 6]} {k // 6 or ''}": 0.95 - 0.05 * k + 0.02 * noise(5, seed=k) for k in range(count - 2)}
    return found | {"from scratch": 0.6 + 0.02 * noise(5), "pixels": 0.8 + 0.02 * noise(5)}


def pairs_of(names: list[str], seconds: float = 1.0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A prediction and a measurement of what grows with the position, and of what does not."""
    at = np.arange(1.0, 1001)
    return {name: (each, seconds * each) for name, each in zip(names, (1 + 0 * at, at, at**2), strict=False)}


ON = [2 * s + int(a) for s, a in zip(MODULO_3.run("110101110010"), "1110101110010", strict=True)]
POINTERS = softmax(noise(8, 8)), np.arange(8), np.arange(8)[::-1]
BY_THIRD = {name: each[0] for name, each in seeds(METHODS, 3).items()}
COLUMNS = dict.fromkeys(["original", "visible", *METHODS], images(4, 3))
SHUFFLED = {"CNN": (np.array([0.9, 1.0]), np.array([0.8, 0.8])), "ViT": (np.array([0.9]), np.array([0.92]))}
FORGOT = {name: (0.99 - 0.3 * k + 0.01 * noise(3, seed=k), 0.8 + 0.02 * noise(3)) for k, name in
          enumerate(("before fine-tuning", "fine-tuned", "with rehearsal, half of each batch"))}  # fmt: skip
SPENT, ALONG = 3e9 * 1.7 ** np.arange(4), np.geomspace(3e9, 3e11, 20)
LOSSES, LAW = (2.2 * (each / 3e9) ** -0.05 for each in (SPENT, ALONG))
PATHS = {
    "untrained": [[500, 300, 4, 1]] * 5,
    "untrained, larger weights": [[500, 499, 450 - k, 400 - 90 * k] for k in range(5)],
    "trained": [[480, 130, 8, 3]] * 4 + [[500, 400, 20, 2]],
}

CASES: dict[str, list[Callable[[], style.LectureFigure]]] = {}


def case(name: str, *given: Any, size: tuple[float, float] | None = None, **options: Any) -> None:
    """Draw a figure with these arguments; with a size, into a figure that it is given, as a widget does."""
    module, _, function = name.partition(".")

    def make() -> style.LectureFigure:
        draw = getattr(import_module(f"lecturelib.figures.{module}"), function)
        if size is None:
            return draw(*given, **options)
        figure = style.new_figure(*size)
        draw(figure, *given)
        return figure

    CASES.setdefault(name, []).append(make)


# Each figure as a notebook draws it, and those of the widgets again where much text could collide.
case("start.lecture_map")
case("start.learning_frame", *film(240), size=(10, 4.6))
case("recurrent_networks.automaton", MODULO_3)
case("recurrent_networks.compiled_units", 2 * np.eye(6)[ON] - 1, "110101110010", MODULO_3.table, "01")
case("recurrent_networks.unrolled_drawing")
case("recurrent_networks.gradients",
     np.array([0.4, 0.9, 1.2, 0.8])[:, None, None] ** (49 - np.arange(50) + noise(4, 5, 1)),
     [(0.5, 0.3), (1, 0.3), (2, 0.3), (2, 2)])  # fmt: skip
case("recurrent_networks.read_back", *read_back(0.5))
case("recurrent_networks.read_back", *read_back(0.5)[:2], None, MODULO_3)
case("recurrent_networks.paths", [0, 1, 10, 300], PATHS, wrong=[False, False, False, False, True])
case("recurrent_networks.padded_batch", [10, 17, 24, 31, 14, 33])
case("recurrent_networks.next_symbols", "110111001010", sigmoid(noise(12, 3)), noise(12, 3) > 1, "01$")
case("recurrent_networks.stepper_frame", *moment(counter(5), "10" * 12, 24), size=(10, 4.9))
case("lstm.cell_drawing")
case("lstm.learning", [10, 30, 100], seeds(ARMS, 3, 5), chance=0.25)
case("lstm.letting_go", [5, 10, 20, 50, 100], seeds(ARMS, 5, 5), trained=8)
case("lstm.holding", [10, 40, 100], dict.fromkeys(["own", "new", "new, untrained"], seeds(ARMS, 3, 5)), 10)
case("lstm.gradient_back", {name: 10.0 ** (-each) for name, each in seeds(ARMS, 101, 5, 0, 25).items()})
case("lstm.gate_scope_frame", *scope(READ, None, 10), size=(12, 4.3))
case("lstm.gate_scope_frame", *scope(READ[3:15], "i", 104.0), size=(12, 4.3))
case("attention.soft_lookup", np.linspace(0, 9, 90),
     {f"soft, sharpness {s}": 3 + np.sin(s * np.linspace(0, 9, 90)) for s in (1, 2, 3, 50)},
     np.arange(5.0), np.arange(5.0) ** 2)  # fmt: skip
case("attention.weights_bars", ["cat", "dog", "März", "owl"], noise(4), softmax(noise(4)), [4, 30, 600, 1.5], 2)
case("attention.by_learning_rate", [0.002, 0.004, 0.008], {arm: np.exp(each) for arm, each in seeds(ARMS, 3).items()})
case("attention.pointer_maps", {f"reverse, after 300 steps {k}": POINTERS for k in range(4)})
case("attention.vector_or_look_up", last(*ARMS[:2]), [2, 4, 24], seeds(ARMS[:2], 3), np.array([0.1, 0.01, 0]))
case("attention.interventions", np.linspace(0, 1, 21).reshape(7, 3),
     [f"{k}th of the top states away" for k in range(7)], WORDS[:3])  # fmt: skip
case("attention.translator_drawing")
case("attention.map_to_read", 100 * np.eye(8), "LADOPNHC")
case("attention.mask_panels", {f"a mask, {k}": triangle(12) for k in range(4)})
case("attention_explorer.every_head", *heads(1, 1, ["a"], ["a"]))
case("attention_explorer.every_head", *heads(1, 5, WORDS * 4, WORDS * 4))
case("attention_explorer.every_head", *heads(30, 9, WORDS[:12], WORDS[:12]))
case("attention_explorer.every_head", *heads(2, 2, ["Donaudampfschiff"] * 20, ["$x_1$", "\\frac{", "Donaudampfschiff"]))
case("drawings.attention_drawing")
case("drawings.multi_head_drawing")
case("drawings.block_drawing")
case("drawings.architecture_drawing")
case("transformer.mixing", derivatives("embedding", "attention", "attention, causal mask", "feed-forward", "norm"))
case("transformer.by_position", range(1, 49), seeds(["rotary", "learned", "sinusoidal", "none"], 48), 16, 0.125)
case("transformer.heads", last("1 head, linear", "1 head, MLP", "2 heads, linear", "2 heads, MLP"), 0.125,
     np.linspace(0, 1, 6).reshape(3, 2), ["left neighbor", "two to the left"])  # fmt: skip
case(
    "transformer.arms", last("no norm, lr 0.003", "no residual, lr 0.003"), {"chance": 0.1, "most frequent token": 0.3}
)
case("transformer.language_curve", [50, 100, 250], seeds(["transformer", "LSTM"], 3, low=4, high=2),
     {"2-gram": 2.5, "5-gram": 1.9})  # fmt: skip
case("transformer.honest_or_not", BUGS, 2 * sigmoid(noise(11)), 10 * sigmoid(noise(11)), 1.96, "2-gram table")
case("transformer.exposed", BUGS, ["sees the future", "rows sum to 1", "moving tokens moves the output", "leak"],
     noise(11, 4) > 0)  # fmt: skip
case("vision.patches", image(3, 32), pieces(image(3, 32), 4))
case("vision.cuts", *ways(image(3, 32), 8, "patchify", "reshape alone", "rows and columns exchanged"))
case("vision.accuracies", {"covered": last(*CLASSIFIERS), "left out": last(*CLASSIFIERS)}, 0.1, ["ViT"])
case("vision.before_after", {"as it is": image(), "shuffled": image(seed=1)}, SHUFFLED, ("as is", "after"))
case("vision_drawings.vit_drawing", image())
case("vision_drawings.mae_drawing", image(), hide(1, 16)[0], image(seed=1))
case("patch_playground.looked_at", *looked_at(3, 1, 4))
case("patch_playground.looked_at", *looked_at(1, 3, 8))
case("patch_playground.painted", *filled_in(3, 1))
case("mae.reconstructions", COLUMNS, hide(4, 16), ["visible"], {METHODS[0]: noise(4) ** 2 / 99})
case("mae.errors_along", {"MAE": ([0, 100, 900], [0.2, 0.06, 0.04]), "with a long name": ([0, 500], [0.3, 0.041])},
     dict(zip(METHODS, [0.075, 0.041, 0.04, 0.0401], strict=True)))  # fmt: skip
case("mae.holes", [1, 3, 7], {"text": np.array([0.5, 0.8, 1]), "photos": np.array([0.3, 0.4, 0.7])}, "text", "a letter")
case("mae.leak", COLUMNS, last(*METHODS[:2], low=0.03, high=0.09), hide(4, 16), METHODS[1:2], ["visible"])
case("mae.by_content", ["smooth", "middle", "detailed"], {"a cat": BY_THIRD, "a flower": BY_THIRD}, METHODS[0])
case("transfer.label_curves", LABELS, seeds(SOURCES, 7, 5), 0.1, ["pixels"], SOURCES[:1], begin=0.15)
case("transfer.differences", LABELS, seeds(SOURCES, 7, 5, -0.3, 0.02), dict.fromkeys(SOURCES, [True] * 7))
case("transfer.ranking", arms(18), "from scratch", ["pixels"])
case("transfer.forgetting", FORGOT, "before fine-tuning", ("print", "handwriting"))
case("transfer_drawings.glyph_rows", {f"{name}: a long name": images(12, side=8) for name in SOURCES[:5]})
case("transfer_drawings.arms_drawing", dict.fromkeys(transfer_drawings._ARMS, 987_654), 987_654)
case("transfer_drawings.decision_card", ["1", "5", "20"], ["near", "far", "none"],
     [["handwriting, masked, probe\n93 %\n7 points above pixels"] * 3] * 3)  # fmt: skip
case("transfer_lab.learning_curves", runs("4: handwriting, masked, linear probe, 76 %", "2: ink, fine-tuned, 62 %"),
     {"pixels, 85 %": 0.85, "chance": 0.1}, "5 labels for each class")  # fmt: skip
case("scaling.memory", [256, 512, 1024], {"explicit": ([1, 4, 16], [2, 8, 30]), "fused": ([1, 2, 4], [1, 2, 4])})
case("scaling.writing", pairs_of(["LSTM", "KV cache", "none"]), pairs_of(["LSTM", "KV cache", "none"], 1e-4))
case("scaling.roofline", 1e11, 1e10, {f"{n}: a layer of width {2**n}": (0.5 * 3**n, 4e9 * 1.6**n) for n in range(6)})
case("scaling.scaling_law", (SPENT, LOSSES[:, None] * np.exp(0.006 * noise(4, 3))),
     (ALONG, LAW, 0.98 * LAW, 1.02 * LAW), (3e11, [1.7]), {"letter pairs": 2.3})  # fmt: skip
case("scaling_drawings.waiting")
case("foundation.heads", {"what followed": sigmoid(noise(30, 9)), "the first": sigmoid(noise(30, 9))}, [(17, 3)])
case("foundation.spread", {"nothing\nremoved": [3.0], "6 others": 3.4 + noise(20) / 3, "6 best": [11.1]}, "loss (nats)",
     {"first half": 14.4, "equally likely": 10.8})  # fmt: skip
case("foundation.by_labels", LABELS[:5], seeds(["tf-idf", "MiniLM", "SmolLM2"], 5, 10, low=0.4),
     {"MiniLM, no label: nearest description": 0.7, "chance": 1 / 6})  # fmt: skip
case("cost_explorer.cost_frame", *costs(1.2e12, 1.4e16, 9e15, 1e12, second=3e19, rate=1e3), size=(12, 5.2))
case("cost_explorer.cost_frame", *costs(4096, 512.0, second=0, memory=512e9, rate=1e15), size=(12, 5.2))
FIGURES = {f"{name}: {k}": make for name, cases in CASES.items() for k, make in enumerate(cases)}


# How a figure is read: which texts are seen, and where.


def texts(figure: Figure) -> list[tuple[Text, Any]]:
    """Draw the figure and return each text that is seen, with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    style.styled(canvas.draw)()  # as `png` draws it
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
    ticks, slack = [*axis.get_major_ticks(), *axis.get_minor_ticks()], 1e-9 * (high - low)
    hidden = axis.axes is not None and not axis.axes.axison
    beyond = [tick for tick in ticks if hidden or not low - slack <= tick.get_loc() <= high + slack]
    return [label for tick in beyond for label in (tick.label1, tick.label2)]


def faults(figure: Figure) -> list[str]:
    """Say which texts are too small, cut off by the figure's border, or under another text."""
    found, seen, edge = [], texts(figure), figure.bbox
    for text, box in seen:
        size = float(text.get_fontsize())
        if size < SMALLEST:
            found.append(f"{text.get_text()!r} has {size:.1f} points: expected at least {SMALLEST}")
        if min(box.x0 - edge.x0, box.y0 - edge.y0, edge.x1 - box.x1, edge.y1 - box.y1) < -TOLERANCE:
            found.append(f"{text.get_text()!r} is cut off by the border of the figure")
    for (one, a), (other, b) in combinations(seen, 2):
        wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if wide > TOLERANCE and high > TOLERANCE:
            found.append(f"{one.get_text()!r} and {other.get_text()!r} share {wide:.0f} x {high:.0f} pixels")
    return found


def said_by(figure: Figure) -> set[str]:
    return {text.get_text() for text, _ in texts(figure)}


def test_every_public_function_is_drawn_here():
    files = {path.stem for path in (ROOT / "lecturelib/figures").glob("[a-z]*.py")} - SHARED
    modules = [import_module(f"lecturelib.figures.{file}") for file in files]
    public = {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in modules
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert public == set(CASES)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_can_be_read_is_the_same_each_time_and_changes_no_setting(name):
    """All in one, since drawing is what takes the time; the second drawing is that of a reader with a style of his."""
    figure = FIGURES[name]()
    said = repr(figure)
    assert isinstance(figure, style.LectureFigure) and said == f"Figure: {in_words(figure)}"
    assert len(said.split()) >= 5, said
    found = faults(figure)
    assert not found, "\n".join(found)
    with matplotlib.style.context(["dark_background", {"text.usetex": True, "font.size": 30, "axes.grid": True}]):
        theirs = matplotlib.rcParams.copy()
        again = FIGURES[name]()
        image = Image.open(BytesIO(again._repr_png_()))
        assert repr(again) == said and matplotlib.rcParams.copy() == theirs
    assert np.array_equal(np.asarray(image), figure.canvas.buffer_rgba())
    assert np.abs(np.array(image.size) - 100 * figure.get_size_inches()).max() < 1  # releases of matplotlib round apart
    assert np.ptp(np.asarray(image)[..., :3]) > 100  # something is drawn


# What is said to a reader who cannot see it.


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: attention.mask_panels({"causal": triangle(3), "all": triangle(3) | True}),
         "Panels: causal, all. Looks from against looks at. Key: may look, may not look."),
        (lambda: transformer.by_position([1, 2], {"learned": np.array([[0.731, 0.642]])}, 1, chance=0.97),
         "Right answers (thick: mean; thin: one seed each) against position, 1 to 2: learned."),  # and nothing measured
        (lambda: vision.accuracies({"five labels": {"pixels": np.array([0.5, 0.6])}}, 0.1, mark="draw of labels"),
         "Tick and number: mean; hollow: one draw of labels each; chance is 10; the axis does not begin at 0. "
         "Five labels. Right on test images (%); from top to bottom: pixels."),
        (drawings.block_drawing,
         "a block: norm, attention, residual, norm, feed-forward, residual; attention alone mixes tokens."),
    ],
)  # fmt: skip
def test_the_words_of_a_figure_are_its_labels(make, says):
    assert in_words(make()) == says


# What is drawn is what was given.


def test_a_loss_beyond_the_edge_is_an_arrow_with_its_number():
    figure = transformer.honest_or_not(["correct", "bug"], np.ones(2), np.array([1.2, 8.5]), 2, "2-gram")
    marks = {line.get_marker(): line.get_data() for line in figure.axes[0].lines}
    assert np.allclose(marks[">"], [[5], [1]]) and "8.5" in said_by(figure)
    assert np.allclose(marks["D"][0], [1.2, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    "name",
    ["attention.translator_drawing", "drawings.attention_drawing", "drawings.architecture_drawing",
     "drawings.multi_head_drawing", "vision_drawings.vit_drawing", "vision_drawings.mae_drawing",
     "transfer_drawings.arms_drawing", "lstm.cell_drawing", "start.lecture_map"],
)  # fmt: skip
def test_a_drawing_keeps_the_words_of_a_box_inside_the_box(name):
    figure = CASES[name][0]()
    written = texts(figure)  # which draws it, and so sets its layout
    boxes, inside = [patch.get_window_extent() for patch in figure.findobj(FancyBboxPatch)], 0
    for text, words in written:
        if text.get_text().isdigit():  # a number stands on the corner of its box
            continue
        holding = [box for box in boxes if box.contains((words.x0 + words.x1) / 2, (words.y0 + words.y1) / 2)]
        inside += len(holding) > 0
        assert all(box.x0 <= words.x0 and words.x1 <= box.x1 for box in holding), text.get_text()
        assert all(box.y0 <= words.y0 and words.y1 <= box.y1 for box in holding[-1:]), text.get_text()
    assert inside >= 9


def test_no_arrow_of_the_map_ends_under_a_box():
    figure = start.lecture_map()
    boxes = [box.get_window_extent().padded(2) for box in figure.findobj(FancyBboxPatch)]  # with half of their border
    arrows = figure.findobj(FancyArrowPatch)
    assert boxes and arrows
    for arrow in arrows:
        _, *points = arrow.get_transform().transform(arrow.get_path().vertices)  # the first is where it leaves a box
        assert not any(box.contains(*point) for box in boxes for point in points)


def test_the_code_in_a_drawing_names_attributes_of_the_model():
    model = EncoderDecoder(5, 7, d_model=8, num_heads=2, num_layers=2, max_len=6)
    for _, name, code in drawings.BOXES[:-1]:  # the last is no part of the model
        assert isinstance(eval(f"model.{code}", {"model": model, "i": 0}), Module), code
        assert ("attention" in name) == code.endswith((".attention", ".cross"))
    encoder = VisionTransformer((1, 8, 8), 2, 8, 2, 1, num_classes=3, pool="class")
    for name, each in (
        ("drawings.multi_head_drawing", model.blocks[0].attention),
        ("vision_drawings.vit_drawing", encoder),
        ("vision_drawings.mae_drawing", MaskedAutoencoder(encoder, 8, 2, 1)),
    ):
        drawn = " ".join(said_by(CASES[name][0]()))
        drawn = drawn.replace("self.\n", "self.").replace("_\n", "_").replace("\n_", "_")
        named = {word.removeprefix("self.").split("(")[0] for word in drawn.split() if word.startswith("self.")}
        assert len(named) >= 5 and all(hasattr(each, attribute) for attribute in named), named


@pytest.mark.parametrize("arm", ["fine-tuned", "LoRA"])
def test_the_drawing_of_the_arms_says_what_is_trained(arm):
    model = VisionTransformer((1, 4, 4), 2, 8, 2, 2, num_classes=2)
    model = add_lora(model, 1) if arm == "LoRA" else model
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    examples = torch.as_tensor(images(4, side=4)).float(), torch.tensor([0, 1, 0, 1])
    fine_tune([model], [examples], steps=2, batch_size=4)
    moved = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    places = ["patch_embed", "blocks.0", "blocks.1", "norm", "head"]  # of the parts of the drawing, from the input up
    added = (".A", ".B")
    changed = [any(n.startswith(place) and not n.endswith(added) for n in moved) for place in places]
    assert changed == [state.endswith("trained") for state in transfer_drawings._ARMS[arm]]
    assert any(name.endswith(added) for name in moved) == (arm == "LoRA")


def test_masked_cells_are_not_drawn_and_expected_cells_are_outlined():
    expected = np.zeros((3, 4), bool)
    expected[1, 1:3] = True
    _, ax = style.panel(4, 3)
    drawn = maps.draw_map(ax, np.ones((3, 4)), mask=triangle(3, 4), expected=expected)
    assert (np.ma.getmaskarray(drawn.get_array()) == ~triangle(3, 4)).all() and ax.patch.get_hatch() == "////"
    edges = {tuple(map(tuple, edge)) for edge in ax.collections[-1].get_segments()}
    assert len(edges) == 6 and ((1.5, 0.5), (1.5, 1.5)) not in edges  # around both cells, not between them


def test_a_picture_is_dark_ink_on_white_and_hidden_patches_are_hatched():
    _, ax = style.panel(4, 4)
    pictures.picture(ax, np.eye(4)[None], np.array([True, False, False, False]))
    drawn = np.asarray(ax.images[0].get_array())
    assert (drawn[:2, :2] > 0.8).all()  # no hidden pixel is drawn at all
    drawn[:2, :2] = 1 - np.eye(2)
    assert np.array_equal(drawn, 1 - np.eye(4))  # 0 is drawn black
    (hidden,) = ax.collections
    (corners,) = [path.vertices for path in hidden.get_paths()]
    assert corners.min(0).tolist() == [0, 2] and corners.max(0).tolist() == [2, 4]  # the upper left quarter
    assert hidden.get_hatch() and hidden.get_facecolor()[0, :3].min() > 0.8


def test_a_line_is_the_mean_and_hollow_marks_are_the_seeds():
    _, ax = style.panel(4, 3)
    ends = parts.means_and_seeds(ax, [1, 2], {"a": np.array([[0.0, 4], [2, 8]]), "b": np.ones((1, 2))})
    assert ends == {"a": 6, "b": 1}
    first, second, mean, alone = ax.lines
    assert [line.get_ydata().tolist() for line in (first, second, mean, alone)] == [[0, 4], [2, 8], [1, 6], [1, 1]]
    assert first.get_markerfacecolor() == "none" != mean.get_markerfacecolor()
    assert mean.get_marker() != alone.get_marker() and mean.get_color() != alone.get_color()


def test_a_look_up_can_be_followed_by_hand_from_the_numbers_that_are_shown():
    scores, values = np.array([0, 2, 1, -2]) * np.sqrt(2), np.array([10, 20, 30, 40])  # those of notebook 03
    weights = softmax(scores)
    figure = attention.weights_bars(["cat", "dog", "cow", "owl"], scores, weights, values, weights @ values)
    said = [text.get_text() for text in figure.axes[0].texts]
    shown, (*products, mix) = [float(each) for each in said[:4]], [float(each) for each in said[-5:]]
    assert said[4] == "1.000" and sum(shown) == pytest.approx(1)
    assert products == pytest.approx(shown * values, abs=0.0501)  # as rounding leaves them
    assert sum(products) == pytest.approx(mix)


def test_only_the_right_way_to_cut_gets_the_mark_of_the_right_one():
    said = said_by(vision.cuts(*ways(image(), 2, "patchify", "reshape alone")))
    assert {"✓ patchify", "✗ reshape alone", "patches 0, 1, 2, as 2 × 2"} <= said


def test_the_best_of_each_kind_is_bold():
    def bold(figure: Figure) -> list[str]:
        return [text.get_text() for text, _ in texts(figure) if text.get_fontweight() == "bold"]

    errors = {"original": np.array([0.5, 0.02]), "masked": np.array([0.4, 0.03])}
    columns = dict.fromkeys(errors, images(2))
    assert set(bold(mae.reconstructions(columns, hide(2, 16), ["masked"], errors))) == {"0.400", "0.020"}
    found = {"a": np.array([0.1, 0.4]), "b": np.array([0.2, 0.3])}
    assert bold(mae.by_content(["smooth", "detailed"], {"a photo": found}, "b")) == ["a", "b"]


def test_a_mark_is_full_only_where_a_difference_is_resolved():
    steady = np.array([[0.01], [0.0], [-0.01]])
    figure = transfer.differences([1, 5], {"a": steady + np.array([-0.2, 0.1])}, {"a": [True, False]})
    marks = [line for line in figure.axes[0].lines if line.get_markersize() == 12]
    assert [mark.get_markerfacecolor() != "white" for mark in marks] == [True, False]
    np.testing.assert_allclose([mark.get_ydata()[0] for mark in marks], [-20, 10])


def test_an_arm_is_below_only_where_the_interval_of_its_difference_is():
    spread = np.array([-0.1, 0, 0.1])  # of the seeds: the same in all arms, so that it is not in the differences
    own = np.array([0.01, 0, -0.01])
    arms = {"far below": 0.4, "near": 0.49, "baseline": 0.5, "above": 0.6, "pixels": 0.7}
    given = {name: x + spread + (name != "baseline") * own for name, x in arms.items()}
    figure = transfer.ranking(given, "baseline", ["pixels"])
    drawn = {label.get_text(): label.get_color() for label in figure.axes[0].get_yticklabels()}
    assert list(drawn) == ["pixels", "above", "baseline", "near", "far below"]
    expected = {"pixels": colors.GREY, "above": colors.BLUE, "near": "black", "far below": colors.RED}
    assert expected.items() <= drawn.items()
    assert {"40 %   −10 ± 2", "49 %   −1 ± 2", "60 %   +10 ± 2", "50 %"} <= said_by(figure)


@pytest.mark.parametrize("begin", [0, 0.3])
def test_chance_is_drawn_where_the_axis_reaches_it_and_told_where_it_does_not(begin):
    figure = transfer.label_curves([1, 5], {"a": np.array([[0.5, 0.6], [0.52, 0.62]])}, 0.1, begin=begin)
    assert figure.axes[0].get_ylim()[0] == 100 * begin and ("chance" in said_by(figure)) == (begin == 0)
    told = "the axis begins at 30; chance, 10 %, is below it" in " ".join(said_by(figure))
    assert told == (begin > 0)


def test_what_the_source_lost_is_counted_from_the_state_before():
    after = {"tuned": (0.4, colors.RED), "kept": (0.99, "black"), "better": (1.0, "black")}
    pairs = {name: (np.full(2, x), np.ones(2)) for name, (x, _) in after.items()} | {"first": (np.full(2, 0.99),) * 2}
    said = {text.get_text(): text.get_color() for text, _ in texts(transfer.forgetting(pairs, "first", ("a", "b")))}
    assert {"−59 points": colors.RED, "0 points": "black", "+1 points": "black"}.items() <= said.items()


def test_the_predicted_times_begin_at_the_first_measured_mark():
    at = np.arange(1.0, 101)
    figure = scaling.writing({"a": (at, 2 * at)}, {"a": (5 * at, np.where(at % 50 == 1, 3e-3, 9e-3))})
    (held, seconds) = [[line.get_ydata().tolist() for line in ax.lines] for ax in figure.axes]
    assert held == [[25.5, 75.5], [51, 151]]
    np.testing.assert_allclose(seconds, [[3e-3, 3e-3 * 75.5 / 25.5], [3e-3, 3e-3]])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: vision.before_after({"a": image()}, SHUFFLED, ("before", "after")),
         {"CNN: −15.0 points", "ViT: +2.0 points"}),
        (lambda: transformer.mixing(derivatives("norm", "attention", "causal")),
         {"norm:\neach token alone", "attention:\nmixes tokens", "causal:\nmixes, not ahead"}),
        (lambda: transfer_drawings.decision_card(["1"], ["near"], [["fine-tuned GPT-2\nlead: -1.3 points"]]),
         {"fine-tuned GPT-2", "lead: −1.3 points"}),
    ],
)  # fmt: skip
def test_what_follows_from_the_data_is_written_beside_it(make, says):
    assert says <= said_by(make())


def test_a_network_of_notebook_02_has_a_color_of_its_own_in_all_figures():
    names = ["tanh RNN, orthogonal", "tanh RNN", "LSTM, f = 1 for good", "LSTM, open gate", "LSTM"]
    figures = lstm.letting_go([5, 50], seeds(names, 2), 8), lstm.gradient_back(seeds(names[2::2], 6))
    every, some = ({line.get_label(): line.get_color() for line in figure.axes[0].lines} for figure in figures)
    assert len({every[name] for name in names}) == 5 and all(some[name] == every[name] for name in names[2::2])


def test_a_quantity_stands_in_a_fitting_unit_and_a_number_without_an_exponent():
    given = (999.9, BYTES, 3), (0.5, BYTES, 3), (3e18, BYTES, 2), (60, LONG_TIMES, 2), (0.000_12, SECONDS, 3)
    assert [in_unit(*each) for each in given] == ["1 kB", "0.5 B", "3,000 PB", "1 min", "120 µs"]
    assert [plain(x) for x in (0.5, 9.96, 12.4, 213, 1e6)] == ["0.5", "10", "12", "210", "1,000,000"]
    assert [power(x) for x in (1e9, 9.99e8, 1e-7, 2.5e11, 1)] == ["10⁹", "10⁹", "10⁻⁷", "2.5·10¹¹", "10⁰"]


ONE = np.ones((1, 1))

test_what_cannot_be_drawn_is_refused = refuses(
    (lambda: attention.pointer_maps(dict.fromkeys("abcde", POINTERS)), ["5 maps: expected 1 to 4"]),
    (lambda: attention.pointer_maps({"a": (np.eye(2), np.arange(3), np.arange(2))}),
     ["'a', and written and read, have shapes (2, 2) and (2, 3)"]),
    (lambda: attention.mask_panels({"m": np.eye(2)}), ["mask 'm' has type float64"]),
    (lambda: attention.vector_or_look_up({"a": np.ones(2)}, [1], {"b": ONE}, [0]), ["copied names ['b']"]),
    (lambda: lstm.holding([1], {"own": {"a": ONE}, "new": {"b": ONE}}, 1), ["readouts ['own', 'new']: expected one"]),
    (lambda: transformer.mixing({"a": -np.eye(2)}), ["map 'a' (2, 2): expected"]),
    (lambda: vision.patches(image(), np.zeros((15, 1, 2, 2))), ["15 patches do not fill an image of 8 x 8"]),
    (lambda: vision_drawings.mae_drawing(image(), np.ones(16, bool), image()), ["hides 16 of 16 patches"]),
    (lambda: mae.reconstructions({"a": images(1), "b": images(2)}, hide(1, 16), ["a"]), ["columns have shapes"]),
    (lambda: transfer.label_curves([1], {"a": ONE}, 0.1), ["accuracy of 'a' has 1 seed: expected 2"]),
    (lambda: transfer.label_curves([1], {"a": np.full((2, 1), np.nan)}, 0.1), ["'a' holds NaN or infinity"]),
    (lambda: patch_playground.looked_at(images(2), {}, ["a"]), ["titles and images have shapes (1,) and (2,)"]),
)  # fmt: skip


def test_pyplot_is_never_imported():
    program = (
        "import sys\n"
        "from tests.figures.test_figures import CASES\n"
        "for cases in CASES.values():\n"
        "    cases[0]()\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'a figure uses pyplot, which keeps every figure in memory'\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
