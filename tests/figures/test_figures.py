"""Every figure can be read: it is drawn the same each time, and no text is small, cut off or under another text."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from functools import partial
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
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Annotation, Text
from PIL import Image
from scipy import stats
from torch.nn import Module

from lecturelib.automata import DFA
from lecturelib.figures import (
    attention,
    attention_explorer,
    automata,
    colors,
    cost_explorer,
    drawings,
    foundation,
    lstm,
    mae,
    maps,
    parts,
    patch_playground,
    pictures,
    recurrent_networks,
    scaling,
    scaling_drawings,
    start,
    style,
    transfer,
    transfer_drawings,
    transfer_lab,
    transformer,
    vision,
    vision_drawings,
)
from lecturelib.figures.units import BYTES, LONG_TIMES, SECONDS, in_unit, plain, power
from lecturelib.figures.words import in_words
from lecturelib.fine_tuning import fine_tune
from lecturelib.mae import MaskedAutoencoder
from lecturelib.transfer import add_lora
from lecturelib.transformer import EncoderDecoder
from lecturelib.vision import VisionTransformer
from tests.strategies import counter

ROOT = Path(__file__).parents[2]
SHARED = {"__init__", "colors", "given", "maps", "paper", "parts", "pictures", "plane", "style", "units", "words"}
SMALLEST = 11  # points: what the last row of a lecture hall can read
TOLERANCE = 1.0  # pixels that the boxes of two texts may share: letters do not fill their boxes
COLORS = 20  # of the shades at the edges of letters and marks alone there are more

# What the figures are given: arrays as the notebooks make them.

MODULO_3 = counter(3)
READ = "yxwzwxyAyxwzywwwxyzzxwxzw"  # 25 symbols, as in notebook 02
WORDS = ["The", "attention", "of", "a", "head", "is", "a", "soft", "look-up", "in", "a", "table", "of", "values", "."]
ARMS = ["tanh RNN, orthogonal", "LSTM, open gate", "LSTM, f = 1 for good", "open gate, f = 1 forced later"]
BUGS = [
    "the correct model",
    "mask off by one",
    "softmax over queries",
    "positions along the batch",
    *(f"bug {k}" for k in range(7)),
]
METHODS = ["mean image", "Gaussian fill-in", "5 nearest neighbors", "masked autoencoder"]
CLASSIFIERS = ["logistic regression", "k nearest neighbors", "SVC", "CNN", "ViT"]
SOURCES = ["print, fine-tuned", "print, probe", "letters, fine-tuned", "handwriting, masked, probe", "ink, fine-tuned",
           "random labels, fine-tuned", "pixels"]  # fmt: skip
LABELS = [1, 2, 5, 10, 20, 50, 100]
SIZES = [16, 32, 64, 128, 256, 512, 1024, 2048]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def softmax(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores)
    return e / e.sum(-1, keepdims=True)


def triangle(n: int, wide: int | None = None) -> np.ndarray:
    return np.tril(np.ones((n, wide or n), dtype=bool))


def seeds(names: list[str], n: int, count: int = 3, low: float = 0.2, high: float = 0.97) -> dict[str, np.ndarray]:
    """Results (count, n) between two numbers; the last of these names rise the least."""
    rises = {name: np.linspace(low, high - 0.5 * k * (high - low) / len(names), n) for k, name in enumerate(names)}
    return {name: rise + 0.02 * (high - low) * noise(count, n, seed=k) for k, (name, rise) in enumerate(rises.items())}


def last(*names: str, **range_: float) -> dict[str, np.ndarray]:
    return {name: each[:, -1] for name, each in seeds(list(names), 2, **range_).items()}  # type: ignore[arg-type]


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


def into(width: float, height: float, draw: Callable[..., None], *args: Any) -> style.LectureFigure:
    """Draw with a function that fills a figure it is given, as a widget does."""
    figure = style.new_figure(width, height)
    draw(figure, *args)
    return figure


@style.styled
def one_automaton(dfa: DFA, **options: Any) -> style.LectureFigure:
    figure, ax = style.panel(6, 5.5)
    automata.draw_automaton(ax, dfa.table, dfa.accepting, dfa.alphabet, names=dfa.names, **options)
    return figure


def read_back(spread: float, seed: int, readable: bool = True) -> style.LectureFigure:
    """Six groups of hidden states, and an automaton that keeps each as a state of its own."""
    strings = ["".join(map(str, row)) for row in np.random.default_rng(seed).integers(2, size=(20, 15))]
    group = np.array(
        [[2 * s + int(a) for s, a in zip(MODULO_3.run(each), "0" + each, strict=True)] for each in strings]
    )
    states = noise(6, 16, seed=seed)[group] + spread * noise(20, 16, 16, seed=seed + 1)
    pairs = [[2 * MODULO_3.table[s, a] + a for a in range(2)] for s in range(3) for _ in range(2)]
    found = SimpleNamespace(dfa=DFA(pairs, accepting=[0, 1], alphabet="01"), clusters=group)
    return recurrent_networks.read_back(states, strings, found if readable else None, MODULO_3)


def stepper(dfa: DFA, string: str, position: int) -> style.LectureFigure:
    plane, background = noise(len(string) + 1, 2, seed=1), noise(90, 2, seed=2)
    states = np.arange(90) % len(dfa.table)
    return into(10, 4.9, recurrent_networks.stepper_frame, dfa, string, position, dfa.run(string), plane, background,
                states, True)  # fmt: skip


def compiled(string: str) -> style.LectureFigure:
    on = [2 * MODULO_3.run(string)[t] + int(string[max(t - 1, 0)]) for t in range(len(string) + 1)]
    return recurrent_networks.compiled_units(2 * np.eye(6)[on] - 1, string, MODULO_3.table, "01")


def scope(string: str, forced: str | None, limit: float) -> style.LectureFigure:
    gates = {name: sigmoid(noise(len(string), seed=k)) for k, name in enumerate("ifo")}
    answer = np.array([0.1, 0.7, 0.15, 0.05])
    return into(12, 4.3, lstm.gate_scope_frame, string, limit * sigmoid(noise(len(string), 16)), gates, forced, answer,
                0, limit)  # fmt: skip


def film(step: int) -> style.LectureFigure:
    return into(10, 4.6, start.learning_frame, noise(300, 2), np.arange(300) % 3, np.array([[-3.0, -3], [3, 3]]), step,
                list(range(0, 601, 20)), [0.6] * 10 + [0.999] * 21, 0.67)  # fmt: skip


def every_head(layers: int, heads: int, queries: list[str], keys: list[str]) -> style.LectureFigure:
    weights = softmax(2 * noise(layers, heads, len(queries), len(keys)))
    names = [f"layer {k + 1}" for k in range(layers)]
    return attention_explorer.every_head(weights, queries, keys, None, names)


def pointer_maps(count: int, n: int, title: str = "reverse, after 300 steps") -> style.LectureFigure:
    looks = {f"{title} {k}": (softmax(noise(n, n)), np.arange(n), np.arange(n)[::-1]) for k in range(count)}
    return attention.pointer_maps(looks)


def mixing(tokens: int, *names: str) -> style.LectureFigure:
    every = np.exp(3 * noise(tokens, tokens))
    return transformer.mixing({n: (np.eye(tokens), every, np.tril(every))[k % 3] for k, n in enumerate(names)})


def by_position(n: int, *names: str) -> style.LectureFigure:
    """Shares of right answers, of models that were trained on the first third of the positions."""
    right = {name: sigmoid(noise(5, n, seed=k) + k) for k, name in enumerate(names)}
    return transformer.by_position(range(1, n + 1), right, trained=n // 3, chance=0.125)


def language_curve(*levels: float) -> style.LectureFigure:
    names = [f"{n}-gram" for n in (1, 2, 3, 5)]
    losses = {name: [[4.4, 3.1, 2.4, 2, 1.7 + k]] for k, name in enumerate(("transformer", "LSTM", "no positions"))}
    return transformer.language_curve([50, 100, 150, 200, 250], losses, dict(zip(names, levels, strict=True)))


def ways(shown: np.ndarray, side: int, *names: str) -> style.LectureFigure:
    """Ways to cut an image: the first is right, the others take the pixels in the order in which they stand."""
    numbers = np.arange(float(shown[0].size)).reshape(1, *shown.shape[1:])
    cut, where = (
        {name: x.reshape(-1, len(x), side, side) if k else pieces(x, side) for k, name in enumerate(names)}
        for x in (shown, numbers)
    )
    return vision.cuts(shown, cut, where)


def against_scratch(names: list[str], low: float, high: float) -> style.LectureFigure:
    resolved = {name: [k % 2 == 0] * len(LABELS) for k, name in enumerate(names)}
    return transfer.differences(LABELS, seeds(names, len(LABELS), 5, low, high), resolved)


def ranked(count: int) -> style.LectureFigure:
    arms = {f"{SOURCES[k % 6]} {k // 6 or ''}": 0.95 - 0.05 * k + 0.02 * noise(5, seed=k) for k in range(count - 2)}
    two = {"from scratch": 0.6 + 0.02 * noise(5), "pixels": 0.8 + 0.02 * noise(5)}
    return transfer.ranking(arms | two, "from scratch", ["pixels"], 0.1)


def forgot(lost: float, *more: str) -> style.LectureFigure:
    pairs = {name: (0.99 - lost * k + 0.01 * noise(3, seed=k), 0.8 + 0.02 * noise(3)) for k, name in
             enumerate(("before fine-tuning", *more))}  # fmt: skip
    return transfer.forgetting(pairs, "before fine-tuning", ("print", "handwriting"))


def card(rows: int, columns: int, cell: str) -> style.LectureFigure:
    names = ["near", "far", "misleading", "none"][:columns]
    return transfer_drawings.decision_card([str(5 * n) for n in range(rows)], names, [[cell] * columns] * rows)


def trained(*names: str) -> style.LectureFigure:
    """What the transfer lab leaves behind: runs of three seeds, the run of now first."""
    rise = np.linspace(0, 0.7, 21)[:, None] + 0.1 + noise(21, 3) / 40
    runs = {name: (list(range(0, 210, 10)), rise * 0.9**k) for k, name in enumerate(names)}
    return transfer_lab.learning_curves(runs, {"pixels, 85 %": 0.85, "chance": 0.1}, "5 labels for each class")


def rounds(*shape: int, seed: int = 0) -> np.ndarray:
    return np.exp(0.06 * noise(*shape, seed=seed))  # factors near 1, as times of several rounds differ


def held_by(sizes: list[int], *names: str) -> style.LectureFigure:
    n = np.array(sizes, float)
    held = {name: 100.0 * n ** (2 if k == 0 else 1) for k, name in enumerate(names)}
    return scaling.memory(sizes, {name: (each, 1.1 * each) for name, each in held.items()})


def written(*names: str, n: int = 1000) -> style.LectureFigure:
    """What grows with the position, and what does not."""
    at = np.arange(1, n + 1)
    pairs = {
        name: (each, 1e-4 * each * rounds(n)) for name, each in zip(names, (1.0 + 0 * at, at, at**2), strict=False)
    }
    return scaling.writing({name: (each, each) for name, (each, _) in pairs.items()}, pairs)


def under_a_roof(layers: int) -> style.LectureFigure:
    names = ["LSTM training, a step of 8 texts", *(f"a layer of width {2**k}" for k in range(8))][:layers]
    return scaling.roofline(1e11, 1e10, {name: (0.5 * 3**k, 4e9 * 1.6**k) for k, name in enumerate(names)})


def predicted_law(count: int, seeds: int) -> style.LectureFigure:
    spent, along = 3e9 * 1.7 ** np.arange(count), np.geomspace(3e9, 3e11, 20)
    losses, law = (2.2 * (each / 3e9) ** -0.05 for each in (spent, along))
    shown = {"letter pairs": 2.3, "chance": 3.3} if count == 2 else {"letter pairs": 2.3}
    fitted, line = (spent, losses[:, None] * rounds(count, seeds) ** 0.1), (along, law, 0.98 * law, 1.02 * law)
    return scaling.scaling_law(fitted, line, (3e11, [1.7, 1.8]), shown)


def costs_of(*held: float, second: float = 1e12, memory: float = 2e9, rate: float = 35e9) -> style.LectureFigure:
    names = ["weights, gradients, Adam", "kept, explicit", "kept, fused", "kept, LSTM"]
    return into(12, 5.2, cost_explorer.cost_frame, "One training step: n = 65,536, D = 8,192, L = 96, H = 128, B = 64",
                {"transformer": (3e12, second), "LSTM": (1e12, 0)}, ("the token itself", "looking at n tokens"), rate,
                dict(zip(names, held, strict=False)),
                {"this machine, 2.2 GB": memory, "24 GB": 24e9, "80 GB": 80e9})  # fmt: skip


def over_patches(n: int, channels: int, heads: int) -> style.LectureFigure:
    """What the attention mode of the patch playground leaves behind."""
    names = [*(f"head {k + 1}" for k in range(heads)), "rollout", "occlusion"]
    given = {name: np.abs(noise(n, 4, 4, seed=k)) for k, name in enumerate(names)}
    titles = ["says automobile\nis $airplane"] * n
    return patch_playground.looked_at(images(n, channels, 8), given, titles, ["occlusion"], "heads of layer 2")


def filled_in(n: int, channels: int) -> style.LectureFigure:
    """What its masking mode leaves behind."""
    given = images(n, channels, 8)
    return patch_playground.painted(given, hide(n, 16), images(n, channels, 8, seed=9), 2, [(0.04, 0.4)] * n, "network")


def rebuilt(n: int, *names: str, channels: int = 1, **options: Any) -> style.LectureFigure:
    columns = {name: images(n, channels) for name in names}
    return mae.reconstructions(columns, hide(n, 16), names[1:2], **options)


def leaked(*names: str) -> style.LectureFigure:
    columns = dict.fromkeys(["original", "5 % visible", *names], images(3, side=8))
    errors = last("mean image", *names, low=0.03, high=0.09)
    return mae.leak(columns, errors, hide(3, 16), [names[-1]], ["5 % visible"])


BY_THIRD = {name: each[0] for name, each in seeds(METHODS, 3).items()}
SHUFFLED = {"CNN": (np.array([0.9, 1.0]), np.array([0.8, 0.8])), "ViT": (np.array([0.9]), np.array([0.92]))}
PAIRS = {name: (np.array([0.98, 0.99]), np.array([end, end + 0.01]))
         for name, end in zip(("CNN", "ViT"), (0.8, 0.98), strict=True)}  # fmt: skip

# Each figure once as a notebook draws it, and again where much text, or much of the same, could collide.
CASES: dict[str, list[Callable[[], style.LectureFigure]]] = {
    "start.lecture_map": [start.lecture_map],
    "start.learning_frame": [partial(film, 0), partial(film, 240)],
    "automata.draw_automaton": [lambda: one_automaton(counter(6), current=4)],
    "recurrent_networks.automaton": [lambda: recurrent_networks.automaton(MODULO_3)],
    "recurrent_networks.compiled_units": [lambda: compiled("1101"), lambda: compiled("110101110010")],
    "recurrent_networks.unrolled_drawing": [recurrent_networks.unrolled_drawing],
    "recurrent_networks.gradients": [
        lambda: recurrent_networks.gradients(
            np.array([0.4, 0.9, 1.2, 0.8])[:, None, None] ** (49 - np.arange(50) + noise(4, 5, 1)),
            [(0.5, 0.3), (1, 0.3), (2, 0.3), (2, 2)],
        )
    ],
    "recurrent_networks.read_back": [
        lambda: read_back(0.05, 0),
        lambda: read_back(0.5, 2),
        lambda: read_back(0.5, 2, readable=False),
    ],
    "recurrent_networks.paths": [
        lambda: recurrent_networks.paths(
            [0, 1, 10, 300],
            {
                "untrained": [[500, 300, 4, 1]] * 5,
                "untrained, larger weights": [[500, 499, 450 - k, 400 - 90 * k] for k in range(5)],
                "trained": [[480, 130, 8, 3]] * 4 + [[500, 400, 20, 2]],
            },
            wrong=[False, False, False, False, True],
        ),
        lambda: recurrent_networks.paths([0, 300], {"untrained": [[9, 1]], "trained": [[9, 3]]}, wrong=[False]),
    ],
    "recurrent_networks.padded_batch": [lambda: recurrent_networks.padded_batch([10, 17, 24, 31, 14, 33])],
    "recurrent_networks.next_symbols": [
        lambda: recurrent_networks.next_symbols("110111001010", sigmoid(noise(12, 3)), noise(12, 3) > 1, "01$")
    ],
    "recurrent_networks.stepper_frame": [
        lambda: stepper(MODULO_3, "", 0),
        lambda: stepper(MODULO_3, "10" * 12, 24),
        lambda: stepper(counter(5), "11111", 3),
    ],
    "lstm.cell_drawing": [lstm.cell_drawing],
    "lstm.learning": [lambda: lstm.learning([10, 30, 100], seeds(ARMS, 3, 5), chance=0.25)],
    "lstm.letting_go": [
        lambda: lstm.letting_go([5, 10, 20, 50, 100], seeds(ARMS, 5, 5), trained=8),
        lambda: lstm.letting_go([5, 50], seeds(["no gate that moves", "a gate"], 2), trained=15),
    ],
    "lstm.holding": [
        lambda: lstm.holding(
            [60, 80, 120, 200, 400], {"own answer": seeds(ARMS, 5, 5), "new readout": seeds(ARMS, 5, 5, low=1)}, 60
        ),
        lambda: lstm.holding([10, 40], dict.fromkeys(["own", "new", "new readout,\nuntrained"], seeds(ARMS, 2, 5)), 10),
    ],
    "lstm.gradient_back": [
        lambda: lstm.gradient_back({name: 10.0 ** (-each) for name, each in seeds(ARMS, 101, 5, 0, 25).items()}),
        lambda: lstm.gradient_back(seeds(["LSTM", "tanh RNN"], 6, 2)),
    ],
    "lstm.gate_scope_frame": [lambda: scope(READ, None, 10), lambda: scope(READ[3:15], "i", 104.0)],
    "attention.soft_lookup": [
        lambda: attention.soft_lookup(
            np.linspace(0, 9, 90),
            {f"soft, sharpness {s}": 3 + np.sin(s * np.linspace(0, 9, 90)) for s in (1, 2, 3, 50)},
            np.arange(5.0),
            np.arange(5.0) ** 2,
        )
    ],
    "attention.weights_bars": [
        lambda: attention.weights_bars(
            ["cat", "$x$", "März", "owl"], noise(4), softmax(noise(4)), np.array([4, 30, 600, 1.5]), 2
        )
    ],
    "attention.by_learning_rate": [
        lambda: attention.by_learning_rate(
            [0.002, 0.004, 0.008, 0.016], {arm: np.exp(3 * noise(3, 4, seed=k)) for k, arm in enumerate(ARMS[:3])}
        )
    ],
    "attention.pointer_maps": [
        lambda: pointer_maps(3, 8),
        lambda: pointer_maps(4, 8),
        lambda: pointer_maps(1, 1, "a title that is much wider than its map of one cell"),
    ],
    "attention.vector_or_look_up": [
        lambda: attention.vector_or_look_up(
            {arm: each[:, 0] for arm, each in seeds(ARMS[:2], 3).items()}, [2, 4, 24], seeds(ARMS[:2], 3),
            np.array([0.1, 0.01, 0]),
        )
    ],
    "attention.interventions": [
        lambda: attention.interventions(
            np.linspace(0, 1, 21).reshape(7, 3), [f"{k}th of the top states away" for k in range(7)], WORDS[:3]
        )
    ],
    "attention.translator_drawing": [attention.translator_drawing],
    "attention.map_to_read": [lambda: attention.map_to_read(100 * np.eye(8), "LADOPNHC")],
    "attention.mask_panels": [
        lambda: attention.mask_panels({"padding": triangle(6), "causal": triangle(6)}),
        lambda: attention.mask_panels({f"a mask with a long name {k}": triangle(24, 12) for k in range(4)}),
    ],
    "attention_explorer.every_head": [
        lambda: every_head(1, 1, ["a"], ["a"]),
        lambda: every_head(1, 5, WORDS * 4, WORDS * 4),
        lambda: every_head(3, 12, WORDS[:12], WORDS[:12]),
        lambda: every_head(30, 9, WORDS[:12], WORDS[:12]),
        lambda: every_head(2, 2, ["Donaudampfschiff"] * 20, ["$x_1$", "\\frac{", "Donaudampfschiff"]),
    ],
    "drawings.attention_drawing": [drawings.attention_drawing],
    "drawings.multi_head_drawing": [drawings.multi_head_drawing],
    "drawings.block_drawing": [drawings.block_drawing],
    "drawings.architecture_drawing": [drawings.architecture_drawing],
    "transformer.mixing": [
        lambda: mixing(10, "embedding", "attention", "attention, causal mask", "feed-forward", "norm"),
        lambda: mixing(64, *(f"layer {k} of a whole model" for k in range(6))),
    ],
    "transformer.by_position": [
        lambda: by_position(48, "rotary", "learned", "sinusoidal", "none"),
        lambda: by_position(7, "rotary"),
    ],
    "transformer.heads": [
        lambda: transformer.heads(
            {f"{n} heads, {behind}": sigmoid(noise(5)) for n in (1, 2) for behind in ("linear", "MLP")},
            0.125, np.linspace(0, 1, 6).reshape(3, 2), ["left neighbor", "two to the left"],
        )
    ],
    "transformer.arms": [
        lambda: transformer.arms({f"no {part}, lr 0.003": sigmoid(noise(3)) for part in ("norm", "residual")},
                                 {"chance": 0.125, "most frequent token": 0.33}),
        lambda: transformer.arms({"nothing removed": np.ones(5), "residual removed": np.ones(5)}, {"chance": 0.125}),
    ],
    "transformer.language_curve": [lambda: language_curve(3.2, 2.5, 1.91, 1.37)],
    "transformer.honest_or_not": [
        lambda: transformer.honest_or_not(BUGS, 2 * sigmoid(noise(11)), 10 * sigmoid(noise(11)), 1.96, "2-gram table"),
    ],
    "transformer.exposed": [
        lambda: transformer.exposed(
            BUGS, ["sees the future", "rows sum to 1", "moving tokens moves the output", "leak"], noise(11, 4) > 0
        )
    ],
    "vision.patches": [
        lambda: vision.patches(image(), pieces(image(), 2)),
        lambda: vision.patches(image(3, 32), pieces(image(3, 32), 4)),
        lambda: vision.patches(image()[:, :4], pieces(image()[:, :4], 2)),
    ],
    "vision.cuts": [
        lambda: ways(image(), 2, "patches", "view alone"),
        lambda: ways(image(3, 32), 8, "patchify", "reshape alone", "rows and columns exchanged"),
    ],
    "vision.accuracies": [
        lambda: vision.accuracies({"covered": last(*CLASSIFIERS), "left out": last(*CLASSIFIERS)}, 0.1, ["ViT"]),
        lambda: vision.accuracies({"both": {"a": np.array([0.05, 0.2]), "b": np.array([0.1])}}, 0.1, axis="still"),
    ],
    "vision.before_after": [
        lambda: vision.before_after({"as it is": image(), "patches shuffled": image(seed=1)}, PAIRS, ("as is", "after"))
    ],
    "vision_drawings.vit_drawing": [lambda: vision_drawings.vit_drawing(image())],
    "vision_drawings.mae_drawing": [
        lambda: vision_drawings.mae_drawing(image(), hide(1, 16)[0], image(seed=1)),
        lambda: vision_drawings.mae_drawing(image(), np.arange(16) < 1, image(seed=1)),
    ],
    "patch_playground.looked_at": [lambda: over_patches(3, 1, 4), lambda: over_patches(1, 3, 8)],
    "patch_playground.painted": [lambda: filled_in(3, 1), lambda: filled_in(1, 3)],
    "mae.reconstructions": [
        lambda: rebuilt(4, "original", "what is seen", *METHODS, channels=3, errors={METHODS[0]: noise(4) ** 2 / 99}),
        lambda: rebuilt(1, "original", "masked", "reconstruction"),
    ],
    "mae.errors_along": [
        lambda: mae.errors_along(
            {"MAE": ([0, 100, 900], [0.2, 0.06, 0.04]), "another, with a long name": ([0, 500], [0.3, 0.041])},
            dict(zip(METHODS, [0.075, 0.041, 0.04, 0.0401], strict=True)),
        )
    ],
    "mae.holes": [
        lambda: mae.holes(
            [1, 3, 7], {"text": np.array([0.5, 0.8, 1.02]), "photos": np.array([0.3, 0.4, 0.7])}, "text", "a letter"
        )
    ],
    "mae.leak": [lambda: leaked("MAE on pixels", "true statistics")],
    "mae.by_content": [
        lambda: mae.by_content(["smooth", "middle", "detailed"], {"a cat": BY_THIRD, "a flower": BY_THIRD}, METHODS[0]),
        lambda: mae.by_content(["smooth", "middle", "detailed"], {"a cat": BY_THIRD}, METHODS[-1]),
    ],
    "transfer.label_curves": [
        lambda: transfer.label_curves(LABELS, seeds(SOURCES, 7, 5), 0.1, ["pixels"], SOURCES[:1]),
        lambda: transfer.label_curves([5], {"pixels": np.array([[0.86], [0.87]])}, 0.1),
        lambda: transfer.label_curves(LABELS, seeds(SOURCES, 7, 5), 0.1, ["pixels"], SOURCES[:1], begin=0.15),
    ],
    "transfer.differences": [
        lambda: against_scratch(SOURCES, -0.3, 0.02),
        lambda: against_scratch(SOURCES[:2], 0.3, 0.1),
    ],
    "transfer.ranking": [lambda: ranked(18), lambda: ranked(3)],
    "transfer.forgetting": [lambda: forgot(0.3, "fine-tuned", "with rehearsal, half of each batch")],
    "transfer_drawings.glyph_rows": [
        lambda: transfer_drawings.glyph_rows({f"{n}: a long name": images(12, side=8) for n in SOURCES[:5]})
    ],
    "transfer_drawings.arms_drawing": [
        lambda: transfer_drawings.arms_drawing(dict.fromkeys(transfer_drawings._ARMS, 987_654), 987_654)
    ],
    "transfer_drawings.decision_card": [
        lambda: card(3, 3, "handwriting, masked, probe\n93 %\n7 points above pixels"),
        lambda: card(5, 4, "a probe\n93 %"),
    ],
    "transfer_lab.learning_curves": [
        lambda: trained("4: handwriting, masked, linear probe, 76 %", "2: ink, fine-tuned, 62 %", "1: from scratch")
    ],
    "scaling.memory": [lambda: held_by([256, 512, 1024, 2048], "explicit", "fused"), lambda: held_by(SIZES, *"abcd")],
    "scaling.writing": [lambda: written("LSTM", "KV cache"), lambda: written("LSTM", "KV cache", "no cache", n=100)],
    "scaling.roofline": [partial(under_a_roof, 6), partial(under_a_roof, 8)],
    "scaling.scaling_law": [lambda: predicted_law(4, 3), lambda: predicted_law(2, 1)],
    "scaling_drawings.waiting": [scaling_drawings.waiting],
    "foundation.heads": [
        lambda: foundation.heads({"weight on what followed last time": sigmoid(noise(30, 9)),
                                  "weight on the first token": sigmoid(noise(30, 9, seed=1))}, [(17, 3), (23, 8)]),
    ],
    "foundation.spread": [
        lambda: foundation.spread({"nothing\nremoved": [3.0], "6 others,\nsame layers": 3.4 + noise(20) / 3,
                                   "6 best": [11.1]}, "loss, second half (nats)",
                                  {"first half": 14.4, "all tokens equally likely": 10.8}),
        lambda: foundation.spread({f"{k} example(s)": sigmoid(noise(4, seed=k)) for k in range(4)}, "dates right",
                                  top=1),
    ],
    "foundation.by_labels": [
        lambda: foundation.by_labels([1, 2, 5, 10, 30], seeds(["tf-idf", "MiniLM", "SmolLM2"], 5, 10, low=0.4),
                                     {"MiniLM, no label: nearest description": 0.71, "chance": 1 / 6}),
        lambda: foundation.by_labels([1, 2, 5, 10, 30], seeds(["tf-idf", "MiniLM", "SmolLM2"], 5, 10, low=0.4),
                                     {"MiniLM, no label: nearest description": 0.71,
                                      "MiniLM, no label: nearest name": 0.56,
                                      "tf-idf, no label: nearest description": 0.52,
                                      "tf-idf, no label: nearest name": 0.28, "chance": 1 / 6}),
    ],
    "cost_explorer.cost_frame": [
        lambda: costs_of(400e6, 4.3e9, 2.2e9, 1.1e9),
        lambda: costs_of(1.2e12, 1.4e16, 9e15, 1e12, second=3e19, rate=1e3),
        lambda: costs_of(4096, 512.0, second=0, memory=512e9, rate=1e15),
    ],
}  # fmt: skip
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


def said_by(figure: Figure) -> set[str]:
    return {text.get_text() for text, _ in texts(figure)}


def test_every_public_function_is_drawn_here():
    files = {path.stem for path in (ROOT / "lecturelib/figures").glob("*.py")} - SHARED
    modules = {file: import_module(f"lecturelib.figures.{file}") for file in files}
    public = {
        f"{file}.{name}"
        for file, module in modules.items()
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert public == set(CASES)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_can_be_read_is_the_same_each_time_and_changes_no_setting(name):
    """All in one, since drawing is what takes the time; the second drawing is that of a reader with a style of his."""
    make, before = FIGURES[name], matplotlib.rcParams.copy()
    figure = make()
    said = repr(figure)
    assert isinstance(figure, style.LectureFigure) and said == f"Figure: {in_words(figure)}"
    assert name.startswith("automata.draw_automaton") or len(said.split()) >= 5, said
    found = faults(figure)
    assert not found, "\n".join(found)
    with matplotlib.style.context(["dark_background", {"text.usetex": True, "font.size": 30, "axes.grid": True}]):
        theirs = matplotlib.rcParams.copy()
        again = make()
        image = Image.open(BytesIO(again._repr_png_()))
        assert repr(again) == said
        assert matplotlib.rcParams.copy() == theirs
    assert matplotlib.rcParams.copy() == before
    assert np.array_equal(np.asarray(image), figure.canvas.buffer_rgba())
    assert np.abs(np.array(image.size) - 100 * figure.get_size_inches()).max() < 1  # releases of matplotlib round apart
    shades = image.convert("RGB").getcolors(image.size[0] * image.size[1])
    assert shades is not None and len(shades) > COLORS


# What is said to a reader who cannot see it.


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: attention.by_learning_rate([0.1, 0.2], {"divided": np.ones((3, 2))}),
         "After the same number of steps; ringed: each arm at its best rate. Validation loss (line: median; hollow: "
         "one seed each) against learning rate: divided."),
        (lambda: attention.mask_panels({"causal": triangle(3), "all": triangle(3) | True}),
         "Panels: causal, all. Looks from against looks at. Key: may look, may not look."),
        (lambda: by_position(48, "learned"),
         "Right answers (thick: mean; thin: one seed each) against position, 1 to 48: learned."),
        (lambda: vision.accuracies({"five labels": {"pixels": np.array([0.5, 0.6])}}, 0.1, mark="draw of labels"),
         "Tick and number: mean; hollow: one draw of labels each; chance is 10; the axis does not begin at 0. "
         "Five labels. Right on test images (%); from top to bottom: pixels."),
        (lambda: lstm.gradient_back({"LSTM": np.logspace(0, -20, 11)[None]}),
         "Gradient with respect to a symbol, relative to the last symbol's; untrained. Relative gradient (thick: "
         "median of seeds; thin: one seed) against steps back, 0 to 10: LSTM."),
        (drawings.block_drawing,
         "a block: norm, attention, residual, norm, feed-forward, residual; attention alone mixes tokens."),
    ],
)  # fmt: skip
def test_the_words_of_a_figure_are_its_labels(make, says):
    assert in_words(make()) == says


def test_the_words_change_with_a_label_and_hold_no_measured_number():
    figure = transformer.by_position([1, 2], {"learned": np.array([[0.731, 0.642]])}, 1, chance=0.97)
    assert in_words(figure) == "Right answers (thick: mean; thin: one seed each) against position, 1 to 2: learned."
    assert "7" not in in_words(figure) and "6" not in in_words(figure)


# What is drawn is what was given.


def test_a_loss_beyond_the_edge_is_an_arrow_with_its_number():
    figure = transformer.honest_or_not(["correct", "bug"], np.ones(2), np.array([1.2, 8.5]), 2, "2-gram")
    (ax,) = figure.axes
    marks = {line.get_marker(): line.get_data() for line in ax.lines}
    assert np.allclose(marks[">"], [[5], [1]]) and "8.5" in [text.get_text() for text in ax.texts]
    assert np.allclose(marks["D"][0], [1.2, np.nan], equal_nan=True)


def test_a_drawing_keeps_the_words_of_a_box_inside_the_box():
    names = ["attention.translator_drawing",
             "drawings.attention_drawing", "drawings.architecture_drawing", "drawings.multi_head_drawing",
             "vision_drawings.vit_drawing", "vision_drawings.mae_drawing", "transfer_drawings.arms_drawing",
             "lstm.cell_drawing", "start.lecture_map"]  # fmt: skip
    for name in names:
        figure = CASES[name][-1]()
        written = texts(figure)  # which draws it, and so sets its layout
        boxes = [patch.get_window_extent() for patch in figure.findobj(FancyBboxPatch)]
        inside = 0
        for text, words in written:
            if text.get_text().isdigit():  # a number stands on the corner of its box
                continue
            middle = (words.x0 + words.x1) / 2, (words.y0 + words.y1) / 2
            holding = [box for box in boxes if box.contains(*middle)]
            inside += len(holding) > 0
            assert all(box.x0 <= words.x0 and words.x1 <= box.x1 for box in holding), text.get_text()
            assert all(box.y0 <= words.y0 and words.y1 <= box.y1 for box in holding[-1:]), text.get_text()
        assert inside >= 9


def test_no_arrow_of_the_map_ends_under_a_box():
    figure = start.lecture_map()
    boxes = [box.get_window_extent().padded(2) for box in figure.findobj(FancyBboxPatch)]  # with half of their border
    arrows = figure.findobj(FancyArrowPatch)
    assert len(boxes) == 9 and len(arrows) == 8
    for arrow in arrows:
        _, *points = arrow.get_transform().transform(arrow.get_path().vertices)  # the first is where it leaves a box
        assert not any(box.contains(*point) for box in boxes for point in points)


def test_the_table_of_boxes_names_attributes_of_the_model():
    model = EncoderDecoder(5, 7, d_model=8, num_heads=2, num_layers=2, max_len=6)
    assert [number for number, _, _ in drawings.BOXES] == list(range(1, 12))
    for _, name, code in drawings.BOXES:
        if code == ".softmax(dim=-1)":
            continue
        assert isinstance(eval(f"model.{code}", {"model": model, "i": 0}), Module), code
        assert ("attention" in name) == code.endswith((".attention", ".cross"))
    assert {str(number) for number, _, _ in drawings.BOXES} <= said_by(drawings.architecture_drawing())


def test_patches_that_are_strips_of_the_image_are_said_to_be_drawn_as_squares():
    assert "patches 0, 1, 2, as 2 × 2" in said_by(ways(image(), 2, "patchify", "view alone"))


@pytest.mark.parametrize("name", ["multi_head", "vit", "mae"])
def test_the_code_in_a_drawing_names_attributes_of_the_model(name):
    encoder = VisionTransformer((1, 8, 8), 2, 8, 2, 1, num_classes=3, pool="class")
    attend = EncoderDecoder(5, 7, d_model=8, num_heads=2, num_layers=1, max_len=6).blocks[0].attention
    model = {"multi_head": attend, "vit": encoder, "mae": MaskedAutoencoder(encoder, 8, 2, 1)}[name]
    room = "drawings" if name == "multi_head" else "vision_drawings"
    said = said_by(CASES[f"{room}.{name}_drawing"][0]())
    drawn = " ".join(text.replace("self.\n", "self.").replace("_\n", "_").replace("\n_", "_") for text in said)
    named = {word.removeprefix("self.").split("(")[0] for word in drawn.split() if word.startswith("self.")}
    assert len(named) >= 5 and all(hasattr(model, each) for each in named), named


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
    assert (np.ma.getmaskarray(drawn.get_array()) == ~triangle(3, 4)).all()
    assert ax.patch.get_hatch() == "////"
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
    corners = [path.vertices for path in hidden.get_paths()]
    assert hidden.get_hatch() and len(corners) == 1
    assert corners[0].min(0).tolist() == [0, 2] and corners[0].max(0).tolist() == [2, 4]  # the upper left quarter
    assert hidden.get_facecolor()[0, :3].min() > 0.8


def test_labels_are_moved_apart_as_little_as_needed():
    assert parts.apart([5.0, 5, 5], gap=2).tolist() == [3, 5, 7]
    assert parts.apart([5.0, 0, 5.5], gap=1).tolist() == [4.75, 0, 5.75]
    for seed in range(20):
        wanted = noise(8, seed=seed)
        placed = parts.apart(wanted, gap=0.3)
        assert (np.diff(np.sort(placed)) >= 0.3 - 1e-9).all() and (np.argsort(placed) == np.argsort(wanted)).all()
        assert np.isclose(placed.mean(), wanted.mean())


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


def test_the_mix_of_a_step_passes_the_states_of_the_decoder_and_ends_at_the_output():
    figure = attention.translator_drawing()
    (ax,) = figure.axes
    states = [box for box in figure.findobj(FancyBboxPatch) if box.get_edgecolor() == to_rgba(colors.GREEN)]
    ends = [line.get_xydata() for line in ax.lines if line.get_marker() == "o"]
    middles = [box.get_x() + box.get_width() / 2 for box in states]
    assert [len(each) for each in ends] == [4, 1] and len(states) == 8
    assert np.allclose(np.concatenate(ends)[:, 0], [*middles[:4], middles[5]])  # all four outputs; that of step 2
    assert np.concatenate(ends)[:, 1].min() > max(box.get_y() + box.get_height() for box in states)


def test_only_the_right_way_to_cut_gets_the_mark_of_the_right_one():
    assert {"✓ patchify", "✗ reshape alone"} <= said_by(ways(image(), 2, "patchify", "reshape alone"))
    assert np.array_equal(pictures.mosaic(pieces(image(3, 12), 4), rows=3), image(3, 12))


def test_the_best_of_each_kind_is_bold():
    errors = {"original": np.array([0.5, 0.02]), "masked": np.array([0.4, 0.03])}
    said = texts(rebuilt(2, "original", "masked", errors=errors))
    bold = {text.get_text() for text, _ in said if text.get_fontweight() == "bold"}
    assert bold == {"0.400", "0.020"}
    found = {"a": np.array([0.1, 0.4]), "b": np.array([0.2, 0.3])}
    figure = mae.by_content(["smooth", "detailed"], {"a photo": found}, "b")
    best = [text for text, _ in texts(figure) if text.get_fontweight() == "bold"]
    assert [(text.get_text(), text.get_position()[0]) for text in best] == [("a", 0), ("b", 1)]
    assert {"a photo (ring: the best)", "0.6", "0.8", "1", "1.2"} <= {text.get_text() for text, _ in texts(figure)}


@pytest.mark.parametrize("n", [2, 3, 9])
def test_the_interval_is_students(n):
    values = noise(n, 4, seed=n)
    mean, half = parts.interval(values, "it")
    np.testing.assert_allclose(
        (mean - half, mean + half), stats.t.interval(0.95, n - 1, loc=values.mean(0), scale=stats.sem(values))
    )


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
    assert [drawn[name] for name in ("pixels", "above", "near", "far below")] == [
        colors.GREY, colors.BLUE, "black", colors.RED
    ]  # fmt: skip
    assert {"40 %   −10 ± 2", "49 %   −1 ± 2", "60 %   +10 ± 2", "50 %"} <= said_by(figure)


@pytest.mark.parametrize("begin", [0, 0.05, 0.3])
def test_chance_is_drawn_where_the_axis_reaches_it_and_told_where_it_does_not(begin):
    figure = transfer.label_curves([1, 5], {"a": np.array([[0.5, 0.6], [0.52, 0.62]])}, 0.1, begin=begin)
    said = " ".join(text.get_text() for text, _ in texts(figure)).replace("\n", " ")
    assert figure.axes[0].get_ylim()[0] == 100 * begin
    assert ("chance" in said_by(figure)) == (begin < 0.1) and "gray" not in said
    assert ("chance, 10 %, is below it" in said) == (begin > 0.1)
    assert (f"the axis begins at {100 * begin:g}" in said) == (begin > 0)


def test_what_the_source_lost_is_counted_from_the_state_before():
    after = {"tuned": (0.4, colors.RED), "kept": (0.99, "black"), "better": (1.0, "black")}
    pairs = {name: (np.full(2, x), np.ones(2)) for name, (x, _) in after.items()} | {"first": (np.full(2, 0.99),) * 2}
    figure = transfer.forgetting(pairs, "first", ("print", "handwriting"))
    assert next(label.get_text() for label in figure.axes[0].get_yticklabels()) == "first"
    said = {text.get_text(): text.get_color() for text, _ in texts(figure)}
    assert {"−59 points": colors.RED, "0 points": "black", "+1 points": "black"}.items() <= said.items()


def test_the_predicted_times_begin_at_the_first_measured_mark():
    at = np.arange(1.0, 101)
    figure = scaling.writing({"a": (at, 2 * at)}, {"a": (5 * at, np.where(at % 50 == 1, 3e-3, 9e-3))})
    (held, seconds) = [[line.get_ydata().tolist() for line in ax.lines] for ax in figure.axes]
    assert held == [[25.5, 75.5], [51, 151]]
    np.testing.assert_allclose(seconds, [[3e-3, 3e-3 * 75.5 / 25.5], [3e-3, 3e-3]])


def test_a_layer_stands_at_its_intensity_and_rate():
    figure = scaling.roofline(1e11, 1e10, {"a": (0.5, 4e9), "b": (50, 8e10)})
    ax = figure.axes[0]
    assert [line.get_xydata().tolist() for line in ax.lines[-2:]] == [[[0.5, 4e9]], [[50, 8e10]]]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.minimum(1e11, 1e10 * ax.lines[0].get_xdata()))
    assert ax.lines[1].get_xdata()[0] == 10


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: vision.before_after({"a": image()}, SHUFFLED, ("before", "after")),
         {"CNN: −15.0 points", "ViT: +2.0 points"}),
        (lambda: mixing(4, "norm", "attention", "causal"),
         {"norm:\neach token alone", "attention:\nmixes tokens", "causal:\nmixes, not ahead"}),
    ],
)  # fmt: skip
def test_what_follows_from_the_data_is_written_beside_it(make, says):
    assert says <= said_by(make())


def test_the_bar_at_a_mean_is_named_where_there_is_one():
    assert "mean" in said_by(foundation.spread({"one": [1.0], "several": [1.0, 2.0]}, "loss"))
    assert "mean" not in said_by(foundation.spread({"one": [1.0]}, "loss"))


def test_a_network_of_notebook_02_has_a_color_of_its_own_in_all_figures():
    names = ["tanh RNN, orthogonal", "tanh RNN", "LSTM, f = 1 for good", "LSTM, open gate", "LSTM"]
    figures = lstm.letting_go([5, 50], seeds(names, 2), 8), lstm.gradient_back(seeds(names[2::2], 6))
    every, some = ({line.get_label(): line.get_color() for line in figure.axes[0].lines} for figure in figures)
    assert len({every[name] for name in names}) == 5 and all(some[name] == every[name] for name in names[2::2])
    assert len({*lstm._looks(["tanh RNN", *"abcde"]).values()}) == 6


def test_cells_with_one_arm_have_one_color():
    cells = [["probe\n90 %", "pixels\n86 %"], ["pixels\n94 %", "probe\n95 %"]]
    figure = transfer_drawings.decision_card(["1", "5"], ["near", "far"], cells)
    a, b, c, d = (patch.get_facecolor() for patch in figure.axes[0].patches)
    assert a == d != b == c


def test_a_lead_below_zero_has_a_minus_and_a_name_keeps_its_hyphen():
    figure = transfer_drawings.decision_card(["1"], ["near"], [["fine-tuned GPT-2\nlead: -1.3 points"]])
    assert {"fine-tuned GPT-2", "lead: −1.3 points"} <= said_by(figure)


def test_a_quantity_stands_in_a_fitting_unit():
    given = (999.9, BYTES, 3), (0.5, BYTES, 3), (3e18, BYTES, 2), (60, LONG_TIMES, 2), (0.000_12, SECONDS, 3)
    assert [in_unit(*each) for each in given] == ["1 kB", "0.5 B", "3,000 PB", "1 min", "120 µs"]


def test_numbers_are_written_without_an_exponent_or_as_a_power_of_ten():
    assert [plain(x) for x in (0.5, 9.96, 12.4, 213, 1e6)] == ["0.5", "10", "12", "210", "1,000,000"]
    assert [power(x) for x in (1e9, 9.99e8, 1e-7, 2.5e11, 1)] == ["10⁹", "10⁹", "10⁻⁷", "2.5·10¹¹", "10⁰"]


# What cannot be drawn is refused: the call, and words of the message.

ONE, TWO, SQUARE = np.ones((1, 1)), np.ones((1, 2)), [["a", "b"]]
BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: pointer_maps(5, 2), "5 maps: expected 1 to 4"),
    (lambda: attention.pointer_maps({"a": (np.eye(2), np.arange(3), np.arange(2))}),
     r"'a', and written and read, have shapes \(2, 2\) and \(2, 3\)"),
    (lambda: attention.map_to_read(np.eye(2), "abc"), r"\(2, 2\) and \(3, 3\)"),
    (lambda: lstm.gradient_back({}), "0 networks: expected 1 to 6"),
    (lambda: lstm.learning([1], dict.fromkeys("abcdefg", ONE), 0.25), "7 networks: expected 1 to 6"),
    (lambda: lstm.gradient_back({"a": np.ones((2, 5)), "b": np.ones(5)}), r"gradients of 'b' have shape \(5,\)"),
    (lambda: lstm.holding([1], {"own": {"a": ONE}, "new": {"b": ONE}}, 1), r"readouts \['own', 'new'\]: expected one"),
    (lambda: attention.interventions(np.eye(2), ["a"], ["b"]), r"\(2, 2\) and \(1, 1\)"),
    (lambda: attention.vector_or_look_up({"a": np.ones(2)}, [1], {"b": ONE}, [0]), r"copied names \['b'\]"),
    (lambda: attention.mask_panels({"m": np.eye(2)}), "mask 'm' has type float64"),
    (lambda: attention.mask_panels({}), "0 maps: expected 1 to 4"),
    (lambda: attention.mask_panels({"m": triangle(25, 9)}), "1 maps of up to 25 rows and 9 col.*: expected 1 to 24 r"),
    (lambda: attention.mask_panels({"m": triangle(9, 25), "n": triangle(9)}), r"1 to 24 columns; .*x\[:24, :24\]"),
    (lambda: attention.by_learning_rate([1], {"a": np.ones(1)}), r"shape \(1,\): expected \(seeds, 1\)"),
    (lambda: recurrent_networks.compiled_units(TWO, "1", MODULO_3.table, "01"), r"\(1, 2\) and \(2, 6\)"),
    (lambda: transformer.mixing({"a": -np.eye(2)}), r"map 'a' \(2, 2\): expected"),
    (lambda: transformer.heads({"a": np.ones(3)}, 0.1, np.eye(2), ["b"]), r"\(2,\) and \(1,\)"),
    (lambda: transformer.honest_or_not(["a"], np.ones(2), np.ones(1), 1, "2-gram"), "bugs, and losses in training,"),
    (lambda: transformer.arms({}, {"chance": 0.1}), r"0 networks: expected 1 to 6"),
    (lambda: vision.patches(image(), np.zeros((16, 4))), r"patches have shape \(16, 4\): expected \(N, C, P, P\)"),
    (lambda: vision.patches(image(), np.zeros((15, 1, 2, 2))), "15 patches do not fill an image of 8 x 8"),
    (lambda: vision.patches(image()[0], np.zeros((16, 1, 2, 2))), r"shape \(8, 8\): expected \(C, height, width\)"),
    (lambda: vision.patches(image(1, 18), pieces(image(1, 18), 2)), "81 patches: expected 1 to 64"),
    (lambda: vision.accuracies({"p": {"a": np.ones((2, 2))}}, 0.1), r"scores of 'a' have shape \(2, 2\): expected"),
    (lambda: vision.accuracies({"p": {"a": np.ones(2)}, "q": {"b": np.ones(2)}}, 0.1), r"the panel 'q' names \['b'\]"),
    (lambda: vision.before_after({}, PAIRS, ("a", "b")), "0 examples: expected 1 to 3"),
    (lambda: vision_drawings.mae_drawing(image(), np.ones(16, bool), image()), "hides 16 of 16 patches"),
    (lambda: mae.reconstructions({"a": images(1), "b": images(2)}, hide(1, 16), ["a"]), "columns have shapes"),
    (lambda: mae.reconstructions({"a": images(1)}, hide(1, 16) * 1.0, ["a"]), "type float64: expected .* bool"),
    (lambda: mae.errors_along({"a": ([0, 1], [1.0])}, {}), r"shapes \(2,\) and \(1,\)"),
    (lambda: mae.holes([1, 3], {"a": np.array([0.1, 0.2])}, level="b"), "level.*'b'"),
    (lambda: mae.holes([1, 1], {"a": np.array([0.5, 0.6])}), "expected numbers that grow"),
    (lambda: mae.by_content(["x"], {"a": {"b": np.ones(1)}, "c": {"d": np.ones(1)}}, "b"), "errors of 'c' name"),
    (lambda: mae.by_content(["x"], {"a": {"b": np.ones(1)}}, "d"), "against names"),
    (lambda: transfer.label_curves([5, 1], {"a": TWO}, 0.1), "labels are .*: expected numbers that grow"),
    (lambda: transfer.label_curves([1], {"a": ONE}, 0.1), "accuracy of 'a' has 1 seed: expected 2"),
    (lambda: transfer.label_curves([1], {"a": np.full((2, 1), np.nan)}, 0.1), "'a' holds NaN or infinity"),
    (lambda: transfer.label_curves([1], {str(k): ONE for k in range(8)}, 0.1), "8 arms, 0 controls"),
    (lambda: transfer.label_curves([1], {"a": np.ones((2, 1))}, 0.1, begin=2), "begin=2: expected 0 to"),
    (lambda: transfer.differences([1], {"a": ONE}, {"b": [True]}), r"resolved of \['b'\]: expected 1 for each of"),
    (lambda: transfer.ranking({"a": np.ones(2)}, "b"), r"baseline names \['b'\]"),
    (lambda: transfer.forgetting({"a": np.ones((3, 2))}, "a", ("", "")),  # type: ignore[dict-item]
     "'a' has 3 accuracies: expected a pair"),
    (lambda: transfer_drawings.glyph_rows({"a": image()}), r"'a' has shape \(1, 8, 8\): expected \(n, C"),
    (lambda: transfer_drawings.arms_drawing({"a": 1}, 2), r"counts of \['a'\], total 2: expected counts of"),
    (lambda: transfer_drawings.decision_card(["1"], ["a"], [["b", "c"]]), r"cells have rows of \[2\]: expected 1"),
    (lambda: held_by([1], "a"), "sizes are .*: expected 2 or more finite"),
    (lambda: scaling.memory([1, 2], {"a": ([1, 2], [0, 1])}), "not all finite and above 0"),
    (lambda: scaling.writing({"a": ([1] * 50, [1] * 50)}, {}), "has 50 characters: expected 100, 150"),
    (lambda: scaling.writing({}, {}), "0 writers: expected 1 to 4"),
    (lambda: scaling.roofline(1e9, 0, {"a": (1, 1)}), "not all finite and above 0"),
    (lambda: scaling.scaling_law(([1, 2], [[1], [2]]), ([1, 2], [1, 1], [1, 1], [1]), (3, [1]), {}), "expected .2,."),
    (lambda: patch_playground.looked_at(images(2), {}, ["a"]), r"titles and images have shapes \(1,\) and \(2,\)"),
    (lambda: transfer_lab.learning_curves({}, {}, ""), "0 runs: expected 1 to 4"),
    (lambda: transfer_lab.learning_curves({"a": ([0, 9], np.ones((3, 4)))}, {}, ""),
     r"'a' have shape \(3, 4\), with 2 steps: expected .points, seeds"),
    (lambda: transfer_lab.learning_curves({"a": ([0, 9], np.ones(2))}, {}, ""), r"shape \(2,\).* as x\[:, None\]"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "says"), BAD, ids=[says for _, says in BAD])
def test_bad_input_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_pyplot_is_never_imported_and_importing_changes_no_setting():
    program = (
        "import sys\n"
        "import matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"
        "from tests.figures.test_figures import CASES\n"
        "for cases in CASES.values():\n"
        "    cases[0]()\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'a figure uses pyplot, which keeps every figure in memory'\n"
        "assert matplotlib.rcParams.copy() == before, 'a setting was changed for everybody'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


# What follows shows that the test bites: figures with one fault each.


def spoiled(*words: tuple[float, float, str], size: float = 13) -> style.LectureFigure:
    figure = style.new_figure(4, 3)
    for x, y, word in words:
        figure.text(x, y, word, fontsize=size)
    return figure


def crowded_ticks() -> style.LectureFigure:
    figure, ax = style.panel(3, 3)
    ax.set_xticks(range(12), ["symbol"] * 12, fontsize=12)
    return figure


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: spoiled((0.2, 0.5, "word"), (0.25, 0.52, "word")), "'word' and 'word' share"),
        (lambda: spoiled((0.9, 0.5, "too long for here")), "cut off"),
        (lambda: spoiled((0.1, 0.99, "too high")), "cut off"),
        (lambda: spoiled((0.1, 0.5, "too small"), size=10.5), "10.5 points"),
        (crowded_ticks, "'symbol' and 'symbol' share"),
    ],
)
def test_a_figure_with_a_fault_is_refused(make, says):
    assert any(says in fault for fault in faults(make())), faults(make())
    assert faults(spoiled((0.2, 0.5, "one word"), (0.2, 0.7, "another"))) == []
