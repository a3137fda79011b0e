"""Every figure can be read: it is drawn the same each time, and no text is small, cut off or under another text."""

import inspect
import re
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
import torch
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Annotation, Text
from PIL import Image
from torch.nn import Module

from lecturelib.automata import DFA, counter, reber
from lecturelib.figures import (
    attention,
    attention_explorer,
    automata,
    cost_explorer,
    drawings,
    lstm,
    mae,
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
from lecturelib.fine_tuning import fine_tune
from lecturelib.label_efficiency import harm_ends, interval
from lecturelib.mae import MaskedAutoencoder
from lecturelib.transfer import add_lora
from lecturelib.transformer import EncoderDecoder
from lecturelib.vision import VisionTransformer

ROOT = Path(__file__).parents[2]
MODULES = [attention, attention_explorer, automata, cost_explorer, drawings, lstm, mae, patch_playground,
           recurrent_networks, scaling, scaling_drawings, start, transfer, transfer_drawings, transfer_lab, transformer,
           vision, vision_drawings]  # fmt: skip
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
    automata.draw_automaton(ax, dfa.table, dfa.accepting, dfa.alphabet, names=dfa.names, **options)
    return figure


def read_back(spread: float, seed: int) -> style.LectureFigure:
    """Six groups of hidden states, and an automaton that keeps each as a state of its own."""
    true, symbol = np.repeat([0, 1, 2], 100), np.tile(np.repeat([0, 1], 50), 3)
    states = noise(6, 16, seed=seed)[2 * true + symbol] + spread * noise(300, 16, seed=seed + 1)
    pairs = [[2 * MODULO_3.table[s, a] + a for a in range(2)] for s in range(3) for _ in range(2)]
    found = DFA(pairs, accepting=[0, 1], alphabet="01")
    return recurrent_networks.read_back(states, 2 * true + symbol, true, symbol, found, found.minimize())


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


def every_head(
    layers: int, heads: int, queries: list[str], keys: list[str], causal: bool = False
) -> style.LectureFigure:
    mask = np.tril(np.ones((len(queries), len(keys)), dtype=bool)) if causal else None
    weights = np.exp(2 * noise(layers, heads, len(queries), len(keys))) * (1 if mask is None else mask)
    names = [f"layer {k + 1}" for k in range(layers)]
    return attention_explorer.every_head(weights / weights.sum(-1, keepdims=True), queries, keys, mask, names)


def softmax(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores)
    return e / e.sum(-1, keepdims=True)


def maps(rows: list[str], columns: list[str], count: int = 1, title: str = "reverse", **options: Any
         ) -> style.LectureFigure:  # fmt: skip
    shape = len(rows), len(columns)
    more: dict[str, Any] = {"expected": [noise(*shape, seed=3) > 1] * count} if options.pop("expected", False) else {}
    more |= {"masks": [np.tril(np.ones(shape, bool))] * count} if options.pop("causal", False) else {}
    weights = [softmax(4 * noise(*shape, seed=k)) for k in range(count)]
    return attention.maps(weights, [title] * count, [rows] * count, [columns] * count, **more, **options)


def look_up(sharpness: list[float]) -> style.LectureFigure:
    query, keys, values = np.linspace(0, 9, 90), np.array([1.0, 2.5, 4, 6, 7.5]), np.array([2.0, 5, 3, 7, 1])
    found = {f"soft, sharpness {s:g}": softmax(-s * (query[:, None] - keys) ** 2) @ values for s in sharpness}
    return attention.soft_lookup(query, found, keys, values)


def hand(keys: list[str], values: list[float]) -> style.LectureFigure:
    weights = softmax(noise(len(keys)))
    return attention.weights_bars(keys, weights, np.array(values), float(weights @ values))


def scores_grow(widths: list[int]) -> style.LectureFigure:
    n = np.array(widths)
    entropy = {"unscaled": 2.4 / np.sqrt(n), "divided by √d_k": 2.4 - 0.1 / n}
    return attention.scores_grow(widths, np.sqrt(n), entropy, np.log(16))


def slower(*rates: float) -> style.LectureFigure:
    steps = list(range(0, 601, 10))
    names = ["divided by √256", "not divided", "multiplied"]
    losses = {name: 2.3 * np.exp(-rate * np.array([steps] * 3)) for name, rate in zip(names, rates, strict=False)}
    return attention.slower(steps, losses, level=0.1)


def two_arms(x: list[int], *ends: float) -> dict[str, np.ndarray]:
    names = ["with attention", "without attention", "a third"]
    return {name: np.array([np.linspace(0.1, end, len(x))] * 3) for name, end in zip(names, ends, strict=False)}


def mixing(tokens: int, *names: str) -> style.LectureFigure:
    every = np.exp(3 * noise(tokens, tokens))
    kinds = [np.eye(tokens), every, np.tril(every)]
    return transformer.mixing({name: kinds[k % 3] for k, name in enumerate(names)})


def by_position(*ends: int | None) -> style.LectureFigure:
    """Losses of models that have positions up to `end`, or up to the last."""
    positions = np.arange(1, 129)
    loss = {}
    for name, end in zip(["learned", "sinusoidal", "none"], ends, strict=False):
        loss[name] = np.where(positions > (end or 999), np.nan, 2.4 + np.exp(-positions / 9))
    return transformer.by_position(positions, loss, trained=64)


def ablation(heads: int, *panels: str) -> style.LectureFigure:
    rows = ["nothing removed", *(f"head {k + 1} removed" for k in range(heads))]
    each = np.linspace(0, 1, 2 * len(rows)).reshape(-1, 2)
    accuracy = {name: each for name in panels} or each
    return transformer.ablation(accuracy, rows, ["left neighbour", "the one before"])


def language_curve(*levels: float) -> style.LectureFigure:
    seconds = [0.6, 2, 5, 20, 55]
    names = ["all characters equally likely", "character frequencies", "bigrams", "trigrams", "checkpoint, 2 hours",
             "checkpoint, small"]  # fmt: skip
    curves = {"transformer, 361k": (seconds, [4.4, 3.1, 2.4, 1.9, 1.7]), "LSTM, 358k": (seconds, [4.5, 3.2, 2.6, 2, 2])}
    return transformer.language_curve(curves, dict(zip(names, levels, strict=False)))


BUGS = ["none", "mask off by one", "softmax over queries", "positions along the batch", *(f"bug {k}" for k in range(7))]


def honest(bugs: list[str], correct: float) -> style.LectureFigure:
    return transformer.honest_or_not(bugs, 2 * sigmoid(noise(len(bugs))), 10 * sigmoid(noise(len(bugs))), correct)


def image(channels: int = 1, side: int = 8, seed: int = 0) -> np.ndarray:
    return sigmoid(3 * noise(channels, side, side, seed=seed))


def pieces(shown: np.ndarray, side: int) -> np.ndarray:
    """The patches (N, C, P, P) of an image, row by row."""
    C, height, width = shown.shape
    cut = shown.reshape(C, height // side, side, width // side, side)
    return cut.transpose(1, 3, 0, 2, 4).reshape(-1, C, side, side)


def hide(n: int, patches: int, ratio: float = 0.75) -> np.ndarray:
    mask = np.arange(patches) >= round((1 - ratio) * patches)
    return np.stack([np.random.default_rng(k).permutation(mask) for k in range(n)])


def ways(shown: np.ndarray, side: int, *more: str, pixels: bool = True) -> style.LectureFigure:
    numbers = np.arange(float(shown[0].size)).reshape(1, *shown.shape[1:])
    names = ["patchify", "reshape alone", *more]
    cut, where = (
        {
            name: pieces(x, side) if k == 0 else x.reshape(-1, len(x), side, side) if k == 1 else
            pieces(x, side).transpose(0, 1, 3, 2) for k, name in enumerate(names)
        }
        for x in (shown, numbers)
    )  # fmt: skip
    return vision.cuts(shown, cut, where if pixels else None)


def looked(n: int, channels: int, heads: int, **options: Any) -> style.LectureFigure:
    images = np.stack([image(channels, 16, seed=k) for k in range(n)])
    maps = {f"head {k + 1}": sigmoid(noise(n, 4, 4, seed=k)) for k in range(heads)}
    return vision.looked_at(images, {**maps, "occlusion": noise(n, 4, 4)}, ["occlusion"], **options)


def along_sizes(*ends: float) -> style.LectureFigure:
    sizes = [50, 100, 200, 400, 800, 1297]
    curves = {name: np.array([np.linspace(0.5, end, 6)] * 3) for name, end in zip(CLASSIFIERS, ends, strict=False)}
    return vision.by_training_size(sizes, curves, chance=0.1)


def rebuilt(n: int, *names: str, channels: int = 1, **options: Any) -> style.LectureFigure:
    columns = {name: np.stack([image(channels, 16, seed=k) for k in range(n)]) for name in names}
    return mae.reconstructions(columns, hide(n, 16), names[1:2], **options)


def errors_of(*names: str, seeds: int = 3, low: float = 0.03) -> dict[str, np.ndarray]:
    return {name: low * (1 + k + 0.1 * sigmoid(noise(seeds, seed=k))) for k, name in enumerate(names)}


def kinds(*methods: str, seeds: int = 3) -> style.LectureFigure:
    names = ["random", "block", "grid"]
    examples = {kind: (image(seed=k), hide(1, 16)[0]) for k, kind in enumerate(names)}
    return mae.mask_kinds(examples, {kind: errors_of(*methods, seeds=seeds) for kind in names})


def cost(last: float, whole: bool) -> style.LectureFigure:
    ratios = [0, 0.25, 0.5, 0.75, 0.9]
    work = 1e6 * np.linspace(1, last, 5)
    times = work / 1e9 * (1 + 0.05 * noise(5, 5))
    return mae.encoder_cost(ratios, work, times, (work + 1e6, times + 1e-3) if whole else None)


CLASSIFIERS = ["logistic regression", "k nearest neighbours", "SVC", "CNN", "ViT"]
METHODS = ["mean image", "Gaussian fill-in", "5 nearest neighbours", "masked autoencoder"]


def triangle(n: int, wide: int | None = None) -> np.ndarray:
    return np.tril(np.ones((n, wide or n), dtype=bool))


SYMBOLS = list("gacbhfde")
FULL_DATE = list("dimanche 17 août 2031 après Jésus-Christ")  # 40 letters
ARMS = ["tanh RNN", "LSTM, torch's start", "LSTM, forget bias 1", "LSTM, forget bias 5"]
READ = "yxwzwxyAyxwzywwwxyzzxwxzw"  # 25 symbols, as in notebook 02

WORDS = ["The", "attention", "of", "a", "head", "is", "a", "soft", "look-up", "in", "a", "table", "of", "values", "."]


def over_patches(n: int, channels: int, heads: int, titles: str = "says 4\nis 9") -> style.LectureFigure:
    """What the attention mode of the patch playground leaves behind."""
    names = [*(f"head {k + 1}" for k in range(heads)), "rollout", "occlusion"]
    given = {name: np.abs(noise(n, 4, 4, seed=k)) for k, name in enumerate(names[:-1])} | {"occlusion": noise(n, 4, 4)}
    images = sigmoid(noise(n, channels, 8, 8))
    return patch_playground.looked_at(images, given, [titles] * n, ["occlusion"], "heads of layer 2")


def filled_in(n: int, channels: int, error: float = 0.0412) -> style.LectureFigure:
    """What its masking mode leaves behind."""
    mask = noise(n, 16, seed=3) > 0
    images, pixels = (sigmoid(noise(n, channels, 8, 8, seed=k)) for k in (1, 2))
    return patch_playground.painted(images, mask, pixels, 2, [(error, 10 * error)] * n, "network")


LABELS = [1, 2, 5, 10, 20, 50, 100]
SOURCES = ["print, fine-tuned", "print, probe", "letters, fine-tuned", "handwriting, masked, probe", "ink, fine-tuned",
           "random labels, fine-tuned", "conflicting, head kept"]  # fmt: skip


def along_labels(*starts: float, end: float = 0.95, spread: float = 0.03) -> dict[str, np.ndarray]:
    """Accuracies (5 seeds, labels) of sources and two controls that go from these starts to one end."""
    names = [*SOURCES[: len(starts) - 2], "pixels", "an untrained encoder"]
    return {
        name: np.linspace(start, end, len(LABELS)) + spread * noise(5, len(LABELS), seed=k)
        for k, (name, start) in enumerate(zip(names, starts, strict=True))
    }


def against_scratch(*starts: float, end: float = 0.0, spread: float = 0.01) -> style.LectureFigure:
    found = dict(zip(SOURCES, along_labels(*starts, 0, 0, end=end, spread=spread).values(), strict=False))
    found = {name: found[name] for name in SOURCES[: len(starts)]}
    return transfer.differences(LABELS, found, {n: harm_ends(LABELS, torch.tensor(x)) for n, x in found.items()})


def ranked(count: int, spread: float = 0.02) -> style.LectureFigure:
    arms = {f"{SOURCES[k % 7]} {k // 7 or ''}": 0.95 - 0.05 * k + spread * noise(5, seed=k) for k in range(count - 2)}
    scratch = {"from scratch": 0.6 + spread * noise(5), "pixels": 0.8 + spread * noise(5)}
    return transfer.ranking(arms | scratch, "from scratch", ["pixels"], 0.1)


def forgot(*treatments: str, lost: float = 0.6) -> style.LectureFigure:
    pairs = {name: (0.99 - lost * k + 0.01 * noise(3, seed=k), 0.8 + 0.02 * noise(3)) for k, name in
             enumerate(treatments)}  # fmt: skip
    return transfer.forgetting(pairs, "before fine-tuning", ("print", "handwriting"))


def mixed(after: float, chosen: float | None = None) -> style.LectureFigure:
    shares = np.linspace(0, 1, 11)
    source, target = 0.99 - (0.99 - after) * shares**3, 0.4 + 0.4 * shares
    return transfer.mixing_path(shares, source + 0.01 * noise(3, 11), target + 0.01 * noise(3, 11), chosen=chosen)


def trained_counts(each: int) -> dict[str, int]:
    return dict.fromkeys(["from scratch", "fine-tuned", "last block", "linear probe", "low rank"], each)


def kept(tasks: list[int], *kinds: str) -> style.LectureFigure:
    stored = {name: 1e5 * np.array(tasks) ** (1 / (k + 1)) for k, name in enumerate(kinds)}
    return transfer_drawings.costs(tasks, stored, {"fine-tuned": 1.64, "linear probe": 0.0213}, 43.0)


def card(rows: int, columns: int, cell: str) -> style.LectureFigure:
    names = ["near", "far", "misleading", "none"][:columns]
    return transfer_drawings.decision_card([str(5 * n) for n in range(rows)], names, [[cell] * columns] * rows)


def trained(*names: str, probe: bool = False, stopped: int = 21) -> style.LectureFigure:
    """What the transfer lab leaves behind: runs of three seeds, the run of now first."""
    rise = np.linspace(0, 0.7, 21)[:, None] + 0.1 + noise(21, 3) / 40
    runs = {name: (list(range(0, 210, 10)), rise * 0.9**k) for k, name in enumerate(names)}
    steps, found = runs[names[0]]
    runs[names[0]] = ([0], found[-1:]) if probe else (steps[:stopped], found[:stopped])
    return transfer_lab.learning_curves(runs, {"pixels, 85 %": 0.85, "chance": 0.1}, "5 labels for each class")


SIZES = [16, 32, 64, 128, 256, 512, 1024, 2048]


def rounds(*shape: int, seed: int = 0) -> np.ndarray:
    """Factors near 1, as times of several rounds differ."""
    return np.exp(0.06 * noise(*shape, seed=seed))


def crossed(
    *names: str,
    time: tuple[float | None, float | None],
    memory: tuple[float | None, float | None] = (48, 70),
    pairs: dict[str, str] | None = None,
) -> style.LectureFigure:
    """Times and bytes that grow with n^2, n and n; the last time has no prediction."""
    n, seconds, held = np.array(SIZES, float), {}, {}
    for k, name in enumerate(names):
        line = 1e-6 * (k + 1) * n + (1e-8 * n**2 if k == 0 else 0)
        seconds[name] = (None if k == 2 else line, line * rounds(5, 8, seed=k))
        held[name] = (1e9 * line, 1.2e9 * line)
    return scaling.crossing(SIZES, seconds, held, {"time": time, "memory": memory}, pairs)


def ways_to_attend(sizes: list[int], *names: str, seeds: int = 5) -> style.LectureFigure:
    n = np.array(sizes, float)
    seconds = {name: 1e-8 * (k + 1) * n**2 * rounds(seeds, len(n)) for k, name in enumerate(names)}
    held = {name: 100.0 * n ** (2 if k == 0 else 1) for k, name in enumerate(names)}
    return scaling.three_ways(sizes, seconds, held, dict.fromkeys(names, (1.96, 1.04)))


def reached(*rates: float, seeds: int | None = None) -> style.LectureFigure:
    names = ["LSTM in Python", "nn.LSTM", "attention", "feed-forward", "a block", "vision transformer"]
    products = np.array([2, 8, 18, 27, 32, 34.6, 35])
    marks = {name: (64.0 * (k + 1), rate) for k, (name, rate) in enumerate(zip(names, rates, strict=False))}
    return scaling.peak_share([16, 32, 64, 128, 256, 512, 1024], products if seeds is None else
                              products * rounds(seeds, 7), marks)  # fmt: skip


def written(lengths: list[int], each: float) -> style.LectureFigure:
    n = np.array(lengths, float)
    return scaling.writing(n, (1e-3 + 6e-5 * n) * rounds(5, len(n)), 1.2e-3 * rounds(5, len(n)), each * n)


def budgets(*budgets: float, chance: float | None = 4.4, missing: int = 0, seeds: int = 3) -> style.LectureFigure:
    widths = [16, 32, 64, 128, 256]
    losses, best = {}, {}
    for k, each in enumerate(budgets):
        losses[each] = 2.6 - 0.3 * k + 0.1 * (np.arange(5) - k - 0.5) ** 2 + 0.02 * noise(seeds, 5, seed=k)
        losses[each][:, 5 - missing :] = np.nan
        best[each] = widths[min(k, 3)]
    return scaling.budget(widths, losses, chance, best)


def together(steps: int, apart: float, seconds: dict[str, float] | None = None) -> style.LectureFigure:
    one = 1.8 + 4.4 * np.exp(-np.arange(steps) / 20)
    return scaling.two_processes(range(steps), one, one * (1 + apart * (noise(steps) > 0)), seconds)


def costs_of(*held: float, second: float = 1e12, memory: float = 2e9, rate: float = 35e9) -> style.LectureFigure:
    names = ["weights, gradients, Adam", "kept for the backward pass, explicit", "kept, fused", "kept, LSTM"]
    return into(12, 5.2, cost_explorer.cost_frame, "One training step: n = 65,536, D = 8,192, L = 96, H = 128, B = 64",
                {"transformer": (3e12, second), "LSTM": (1e12, 0)}, ("the token itself", "looking at n tokens"), rate,
                dict(zip(names, held, strict=False)),
                {"this machine, 2.2 GB": memory, "24 GB": 24e9, "80 GB": 80e9})  # fmt: skip


def devices(*cells: str, rows: int = 4) -> style.LectureFigure:
    """Measurements of devices, all the same text in a column; the last row lacks what stands in the last column."""
    names = ["CPU, one thread", "one H200, float32", "one H200, bf16 and compile", "two of them"]
    every = dict(zip(names, cells, strict=False))
    table = {f"a training step of network {k}, forward and backward": dict(every) for k in range(rows)}
    table[f"a training step of network {rows - 1}, forward and backward"][list(every)[-1]] = ""
    return scaling_drawings.device_table(table)


CASES: dict[str, dict[str, Callable[[], style.LectureFigure]]] = {
    "scaling.crossing": {
        "three networks": lambda: crossed("explicit attention", "nn.LSTM", "LSTM as a loop", time=(128, 190)),
        "far apart": lambda: crossed("attention", "LSTM", time=(2048, 16), memory=(16, 2048)),
        "pairs named": lambda: crossed(
            "attention",
            "nn.LSTM",
            "LSTM, a loop",
            time=(128, 76),
            pairs={"time": "attention and nn.LSTM", "memory": "attention and the loop"},
        ),
        "alike": lambda: crossed("attention", "LSTM", time=(128, 130), memory=(2000, 2040)),
        "none": lambda: crossed("attention", time=(None, None), memory=(100, None)),
    },
    "scaling.three_ways": {
        "three": lambda: ways_to_attend([256, 512, 1024, 2048], "explicit", "fused", "in chunks"),
        "four, many sizes, one round": lambda: ways_to_attend(SIZES, "explicit", "fused", "in chunks", "$d", seeds=1),
        "one, two sizes": lambda: ways_to_attend([16384, 65536], "explicit"),
    },
    "scaling.peak_share": {
        "four layers": lambda: reached(4, 14, 12, 28),
        "six alike": lambda: reached(20, 20, 20.1, 20, 20, 20, seeds=3),
        "above the peak": lambda: reached(36),
    },
    "scaling.writing": {
        "to 256 tokens": lambda: written(list(range(16, 257, 16)), 4096),
        "two lengths": lambda: written([8, 4096], 2e6),
    },
    "scaling.budget": {
        "four": lambda: budgets(1e10, 3e10, 1e11, 3.16e11),
        "some widths were not tried": lambda: budgets(1e10, 2e10, missing=1),
        "one seed, no chance": lambda: budgets(1e12, chance=None, seeds=1),
    },
    "scaling.two_processes": {
        "rounding": lambda: together(60, 1e-7),
        "with times": lambda: together(400, 1e-6, {"one process": 12.13, "two processes": 7.4}),
        "equal, two steps": lambda: together(2, 0.0),
        "far apart": lambda: together(30, 0.2, {"one process": 4000}),
    },
    "scaling_drawings.waiting": {f"{n} tokens": partial(scaling_drawings.waiting, n) for n in (5, 6, 7, 8)},
    "scaling_drawings.parallel_drawing": {
        f"{n} processes": partial(scaling_drawings.parallel_drawing, n) for n in (2, 3, 4)
    },
    "scaling_drawings.device_table": {
        "three devices, the last not measured": lambda: devices("812 ms", "1.2 ms", ""),
        "four devices, eight rows": lambda: devices("812 ms", "1.2 ms", "0.8 ms", "0.5 ms", rows=8),
        "one cell": lambda: devices("1.2 s", rows=1),
    },
    "cost_explorer.cost_frame": {
        "training": lambda: costs_of(400e6, 4.3e9, 2.2e9, 1.1e9),
        "the largest": lambda: costs_of(1.2e12, 1.4e16, 9e15, 1e12, second=3e19, rate=1e3),
        "the smallest": lambda: costs_of(4096, 512.0, second=0, memory=512e9, rate=1e15),
    },
    "transfer_lab.learning_curves": {
        "one run": lambda: trained("1: from scratch, 66 %"),
        "a probe, and three before": lambda: trained(
            "4: handwriting, masked, linear probe, 76 %",
            "3: print, last block only, 70 %, 20 labels",
            "2: ink, fine-tuned, 62 %",
            "1: from scratch, 60 %",
            probe=True,
        ),
        "stopped": lambda: trained("2: random labels, fine-tuned, 31 %", "1: from scratch, 66 %", stopped=7),
    },
    "patch_playground.looked_at": {
        "three digits": lambda: over_patches(3, 1, 4),
        "a photo, eight heads": lambda: over_patches(1, 3, 8, "says automobile\nis $airplane"),
        "two of one head": lambda: over_patches(2, 1, 1),
    },
    "patch_playground.painted": {
        "three digits": lambda: filled_in(3, 1),
        "a photo": lambda: filled_in(1, 3, 12.3),
    },
    "attention.soft_lookup": {
        "four": lambda: look_up([50, 3, 1, 0.2]),
        "all end alike": lambda: look_up([50, 40, 30]),
    },
    "attention.weights_bars": {
        "four keys": lambda: hand(["cat", "dog", "cow", "owl"], [4.0, 30, 600, 1.5]),
        "two keys": lambda: hand(["a", "b"], [0.0, 1]),
        "eight keys": lambda: hand(["January", "$x$", "März", "April", "Mai", "June", "July", "August"], [-12.25] * 8),
    },
    "attention.scores_grow": {
        "six widths": lambda: scores_grow([1, 4, 16, 64, 256, 1024]),
        "ten widths": lambda: scores_grow([2**k for k in range(1, 11)]),
    },
    "attention.slower": {
        "both arrive": lambda: slower(0.03, 0.008),
        "one never arrives": lambda: slower(0.03, 0.001),
        "three alike": lambda: slower(0.03, 0.03, 0.03),
    },
    "attention.maps": {
        "one": lambda: maps(SYMBOLS, SYMBOLS, expected=True, row_label="writes"),
        "four with long titles": lambda: maps(SYMBOLS, SYMBOLS, 4, "reverse, after 400 steps", expected=True),
        "words, masked": lambda: maps(WORDS, WORDS, 2, causal=True, expected=True),
        "two dates": lambda: maps(list("2031-08-17"), FULL_DATE, 2, row_label="writes"),
        "three dates": lambda: maps(list("2031-08-17"), FULL_DATE, 3, expected=True),
        "long words": lambda: maps(["Donaudampfschiff"] * 9, ["Donaudampfschiff", "$x_1$", "月"] * 3, 3),
        "one cell": lambda: maps(["a"], ["b"], title="a title that is much wider than its map of one cell"),
    },
    "attention.learning": {
        "apart": lambda: attention.learning([0, 200, 700], two_arms([0, 200, 700], 1, 0.3), "Dates of the world"),
        "together": lambda: attention.learning([0, 700], two_arms([0, 700], 1, 1, 1), "Dates of the world"),
    },
    "attention.growth": {
        "apart": lambda: attention.growth([2, 4, 24], two_arms([2, 4, 24], 1, 0.3), np.array([0.1, 0.01, 0])),
        "all at chance": lambda: attention.growth([2, 4], two_arms([2, 4], 0, 0, 0), np.zeros(2)),
    },
    "attention.mask_panels": {
        "words": lambda: attention.mask_panels({"padding": triangle(6), "causal": triangle(6)}, WORDS[:6], WORDS[:6]),
        "four": lambda: attention.mask_panels({f"a mask with a long name {k}": triangle(5) for k in range(4)}),
        "many positions": lambda: attention.mask_panels({"causal": triangle(40)}),
    },
    "drawings.attention_drawing": {"as it is": drawings.attention_drawing},
    "drawings.multi_head_drawing": {f"{n} heads": partial(drawings.multi_head_drawing, n) for n in (2, 4, 6)},
    "drawings.block_drawing": {"as it is": drawings.block_drawing},
    "drawings.architecture_drawing": {"as it is": drawings.architecture_drawing},
    "transformer.mixing": {
        "five layers": lambda: mixing(10, "embedding", "attention", "attention, causal mask", "feed-forward", "norm"),
        "one layer": lambda: mixing(3, "attention"),
        "six layers": lambda: mixing(64, *(f"layer {k} of a whole model" for k in range(6))),
    },
    "transformer.position_table": {
        "64 positions": lambda: transformer.position_table(np.sin(noise(64, 32)), noise(64, 64)),
    },
    "transformer.by_position": {
        "one ends": lambda: by_position(64, None, None),
        "none ends": lambda: by_position(None, None),
        "all end": lambda: by_position(64, 70, 80),
    },
    "transformer.heads": {
        "alike": lambda: transformer.heads(
            [1, 2, 4, 8, 16],
            {"left neighbour": two_arms([1] * 5, 0.9)["with attention"], "the one before": np.full((3, 5), 0.9)},
            chance=0.1,
        ),
        "at chance": lambda: transformer.heads([1, 4], {"left neighbour": np.full((3, 2), 0.1)}, chance=0.1),
    },
    "transformer.ablation": {
        "four heads": lambda: ablation(4),
        "three seeds": lambda: ablation(4, "seed 0", "seed 1", "seed 2"),
        "eight heads, two seeds": lambda: ablation(8, "seed 0", "seed 1"),
        "long names, six questions": lambda: transformer.ablation(
            np.linspace(0, 1, 42).reshape(7, 6),
            [f"{k}th of the most attended ones taken away" for k in range(7)],
            ["year 3", "year 4", "month 1", "month 2", "day 1", "day 2"],
        ),
    },
    "transformer.language_curve": {
        "six levels": lambda: language_curve(4.57, 3.2, 2.5, 1.9, 1.4, 1.2),
        "levels together": lambda: language_curve(4.57, 1.92, 1.91, 1.9, 1.2, 1.19),
    },
    "transformer.honest_or_not": {
        "eleven": lambda: honest(BUGS, 1.96),
        "three": lambda: honest(BUGS[:3], 0.0),
    },
    "transformer.exposed": {
        "eleven by six": lambda: transformer.exposed(
            BUGS,
            [
                "sees the future",
                "rows sum to 1",
                "moving tokens moves the output",
                "alone equals in a batch",
                "equal to torch",
                "overfits 8 samples",
            ],
            noise(11, 6) > 0,
        ),
        "two by two": lambda: transformer.exposed(BUGS[:2], ["equal to torch", "leak"], np.eye(2, dtype=bool)),
    },
    "transformer.three_masks": {
        "three": lambda: transformer.three_masks(
            {"encoder: all": triangle(6) | True, "decoder: not ahead": triangle(6), "cross": triangle(6, 8) | True}
        )
    },
    "transfer.label_curves": {
        "seven arms and two controls": lambda: transfer.label_curves(
            LABELS, along_labels(*np.linspace(0.2, 0.7, 9)), 0.1, ["pixels", "an untrained encoder"], SOURCES[:1]
        ),
        "all perfect": lambda: transfer.label_curves(
            LABELS, along_labels(*[1.0] * 6, end=1, spread=0), 0.1, ["pixels"], SOURCES[:2]
        ),
        "one number of labels": lambda: transfer.label_curves([5], {"pixels": np.array([[0.86], [0.87]])}, 0.1),
    },
    "transfer.differences": {
        "help and harm": lambda: against_scratch(0.3, 0.2, -0.2, -0.1, end=0.02),
        "seven, harm to the end": lambda: against_scratch(*np.linspace(-0.3, 0.3, 7), end=-0.1),
        "all help": lambda: against_scratch(0.3, 0.2, end=0.1),
        "no difference": lambda: against_scratch(0.0, spread=0),
    },
    "transfer.ranking": {
        "eighteen": lambda: ranked(18),
        "two": lambda: ranked(2),
        "all alike": lambda: ranked(5, spread=0.5),
    },
    "transfer.forgetting": {
        "three": lambda: forgot("before fine-tuning", "fine-tuned", "with rehearsal, half of each batch", lost=0.3),
        "all is lost": lambda: forgot("before fine-tuning", "fine-tuned", lost=0.98),
        "nothing is lost": lambda: forgot("before fine-tuning", "frozen encoder", lost=0),
    },
    "transfer.mixing_path": {
        "all the way": lambda: mixed(0.3),
        "one share chosen, where both are alike": lambda: mixed(0.8, chosen=1.0),
        "one share chosen": lambda: mixed(0.4, chosen=0.5),
    },
    "transfer_drawings.glyph_rows": {
        "five sources": lambda: transfer_drawings.glyph_rows(
            {f"{name}: a long name": np.stack([image()] * 12) for name in SOURCES[:5]}
        ),
        "one photo": lambda: transfer_drawings.glyph_rows({"photos": image(3)[None]}, columns=1),
    },
    "transfer_drawings.arms_drawing": {
        "as it is": lambda: transfer_drawings.arms_drawing(trained_counts(330), 26474),
        "a large network": lambda: transfer_drawings.arms_drawing(trained_counts(987_654), 987_654),
    },
    "transfer_drawings.costs": {
        "three kinds": lambda: kept([1, 2, 5, 10, 100], "full copies", "one copy and low rank", "one copy and probes"),
        "one kind": lambda: kept([1, 1000], "full copies"),
    },
    "transfer_drawings.decision_card": {
        "three by three": lambda: card(3, 3, "handwriting, masked, probe\n93 %\n7 points above pixels"),
        "five by four": lambda: card(5, 4, "a probe\n93 %"),
        "one": lambda: card(1, 1, "fine-tuned"),
    },
    "transfer_drawings.layer_steps": {
        "three ways": lambda: transfer_drawings.layer_steps(
            {"whole": [2e-3] * 4, "layer-wise": [2.5e-4, 5e-4, 1e-3, 2e-3], "last block": [0, 0, 2e-3, 2e-3]},
            ["patches, positions", "block 1", "block 2", "norm, head"],
        ),
        "one": lambda: transfer_drawings.layer_steps({"whole": [2e-3]}, ["head"]),
    },
    "vision.patches": {
        "16 of a digit": lambda: vision.patches(image(), pieces(image(), 2)),
        "64 in color": lambda: vision.patches(image(3, 32), pieces(image(3, 32), 4)),
        "1 patch": lambda: vision.patches(image(), pieces(image(), 8)),
        "256 patches": lambda: vision.patches(image(1, 32), pieces(image(1, 32), 2)),
        "a wide image": lambda: vision.patches(image()[:, :4], pieces(image()[:, :4], 2)),
    },
    "vision.cuts": {
        "two, a digit": lambda: ways(image(), 2),
        "four in color": lambda: ways(image(3, 32), 8, "rows and columns exchanged", "transposed"),
        "without their origin": lambda: ways(image(), 4, "rows and columns exchanged", pixels=False),
    },
    "vision.accuracies": {
        "five": lambda: vision.accuracies(
            dict.fromkeys(CLASSIFIERS, np.array([0.96, 0.97, 0.975])),
            chance=0.1,
            highlight="ViT",
        ),
        "one alone, one seed": lambda: vision.accuracies({"ViT": np.array([0.5])}, chance=0.1),
        "around chance": lambda: vision.accuracies({"a": np.array([0.05, 0.2]), "b": np.array([0.1])}, chance=0.1),
    },
    "vision.shuffled": {
        "three networks": lambda: vision.shuffled(
            (image(), image(seed=1)),
            {
                name: (np.array([0.98, 0.99]), np.array([end, end + 0.01]))
                for name, end in (("CNN", 0.91), ("vision transformer", 0.98), ("logistic regression", 0.98))
            },
        ),
        "all alike": lambda: vision.shuffled((image(3), image(3)), {n: (np.ones(1), np.ones(1)) for n in "ab"}),
    },
    "vision.position_similarity": {
        "4 x 4": lambda: vision.position_similarity(np.corrcoef(noise(16, 5)), 4, 4),
        "8 x 8": lambda: vision.position_similarity(np.corrcoef(noise(64, 5)), 8, 8),
        "2 x 3": lambda: vision.position_similarity(np.corrcoef(noise(6, 5)), 2, 3),
        "1 x 2": lambda: vision.position_similarity(np.eye(2), 1, 2),
    },
    "vision.looked_at": {
        "three digits": lambda: looked(3, 1, 5, says=["7, named 7 with .98", "3, named 8 with .51", "1"]),
        "four in color": lambda: looked(4, 3, 6),
        "one map": lambda: looked(1, 1, 0),
        "no sign": lambda: vision.looked_at(image()[None], {"the mean of all heads": np.zeros((1, 4, 4))}),
    },
    "vision.deletion": {
        "apart": lambda: vision.deletion([0, 2, 8, 15], two_arms([0, 2, 8, 15], 0.1, 0.9, 0.5), chance=0.1),
        "together": lambda: vision.deletion([0, 15], two_arms([0, 15], 0.1, 0.1, 0.1), chance=0.1),
    },
    "vision.by_training_size": {
        "five, all perfect": lambda: along_sizes(1, 1, 1, 1, 1),
        "apart": lambda: along_sizes(0.96, 0.98, 0.9, 0.7),
        "one": lambda: along_sizes(0.96),
    },
    "vision.patch_sides": {
        "four": lambda: vision.patch_sides(
            [1, 2, 4, 8], [64, 16, 4, 1], [7.5e6, 1.9e6, 4.6e5, 900], np.array([[0.97, 0.96, 0.9, 0.8]] * 3)
        ),
        "all alike": lambda: vision.patch_sides([2, 4], [16, 4], [2e9, 1e9], np.ones((1, 2))),
    },
    "mae.reconstructions": {
        "six digits": lambda: rebuilt(6, "original", "masked", "reconstruction", "with the visible put back"),
        "four photos, with errors": lambda: rebuilt(
            4,
            "original",
            "what is seen",
            *METHODS[1:],
            channels=3,
            errors={name: 0.01 * noise(4) ** 2 for name in METHODS[1:]},
        ),
        "one image": lambda: rebuilt(1, "original", "masked", "reconstruction"),
        "two columns, twelve images": lambda: rebuilt(12, "original", "masked", errors={"masked": np.full(12, 0.1)}),
        "seven methods": lambda: rebuilt(3, "original", "masked", *METHODS, "biharmonic inpainting"),
    },
    "mae.errors_along": {
        "lines together": lambda: mae.errors_along(
            {"MAE": ([0, 100, 900], [0.2, 0.06, 0.04]), "another, with a long name": ([0, 500], [0.3, 0.041])},
            dict(zip([*METHODS, "checkpoint"], [0.075, 0.041, 0.04, 0.0401, 0.035], strict=True)),
            "CPU seconds",
        ),
        "one curve": lambda: mae.errors_along({"MAE": ([0, 9], [0.2, 0.06])}, {"mean image": 0.075}),
    },
    "mae.ratio_sweep": {
        "eight ratios": lambda: mae.ratio_sweep(
            [0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95],
            {n: np.full((3, 8), 0.03 * (k + 1)) for k, n in enumerate(METHODS)},
            0.75,
        ),
        "all alike": lambda: mae.ratio_sweep([0.25, 0.75], {n: np.full((1, 2), 0.03) for n in METHODS}, 0.75),
    },
    "mae.mask_kinds": {
        "four methods": lambda: kinds(*METHODS),
        "one method, one seed": lambda: kinds("MAE", seeds=1),
    },
    "mae.leak": {
        "three digits": lambda: mae.leak(
            dict.fromkeys(["original", "5 % visible", "honest", "true statistics"], np.stack([image()] * 3)),
            errors_of("mean image", "MAE on pixels", "true statistics"),
            hide(3, 16),
            ["true statistics"],
            ["5 % visible"],
        ),
        "one digit": lambda: mae.leak({"leak": image()[None]}, errors_of("leak"), hide(1, 16), ["leak"]),
    },
    "mae.hidden_or_all": {
        "two arms": lambda: mae.hidden_or_all(
            {arm: errors_of("hidden patches", "visible patches") for arm in ("loss on hidden", "loss on all")},
            {"original": image(), "loss on hidden": image(seed=1), "loss on all": image(seed=2)},
        ),
        "far apart, one picture": lambda: mae.hidden_or_all(
            {"loss on hidden": {"hidden": np.array([0.09]), "visible": np.array([0.0001])}}, {"original": image(3)}
        ),
    },
    "mae.by_content": {
        "four kinds": lambda: mae.by_content(
            ["smooth", "rather smooth", "rather detailed", "detailed"],
            {
                name: 0.0003 * (k + 1) ** np.arange(1.0, 5)
                for k, name in enumerate(["masked autoencoder", *METHODS[:3]])
            },
            np.array([0.4, 0.3, 0.2, 0.1]),
        ),
        "two, all alike": lambda: mae.by_content(["smooth", "detailed"], {"a": np.ones(2), "b": np.ones(2)}),
    },
    "mae.encoder_cost": {
        "encoder": lambda: cost(0.1, whole=False),
        "both": lambda: cost(0.1, whole=True),
        "both alike": lambda: mae.encoder_cost([0, 0.5], [2, 1], np.array([[2, 1]]), ([4, 2], np.array([[4, 2]]))),
    },
    "mae.free_labels": {
        "six rows": lambda: mae.free_labels(
            [
                ("a text", "the next character", "the character"),
                (
                    "an image and a sentence that describes it",
                    "whether the two belong together",
                    "they do, or they were exchanged",
                ),
            ]
            * 3
        ),
        "one row": lambda: mae.free_labels([("an image", "three patches of four", "their pixels")]),
    },
    "vision_drawings.vit_drawing": {
        "16 patches": lambda: vision_drawings.vit_drawing(image()),
        "64 patches in color": lambda: vision_drawings.vit_drawing(image(3, 32), 64),
        "4 patches": lambda: vision_drawings.vit_drawing(image(), 4),
        "1 patch": lambda: vision_drawings.vit_drawing(image(), 1),
    },
    "vision_drawings.mae_drawing": {
        "16 patches": lambda: vision_drawings.mae_drawing(image(), hide(1, 16)[0], image(seed=1)),
        "64 patches in color": lambda: vision_drawings.mae_drawing(image(3, 32), hide(1, 64)[0]),
        "one visible": lambda: vision_drawings.mae_drawing(image(), np.arange(16) > 0),
        "one hidden": lambda: vision_drawings.mae_drawing(image(), np.arange(16) < 1),
        "the visible ones are not among those drawn": lambda: vision_drawings.mae_drawing(
            image(3, 32), np.arange(64) != 1
        ),
    },
    "attention_explorer.every_head": {
        "one head": lambda: every_head(1, 1, WORDS[:8], WORDS[:8], causal=True),
        "four heads": lambda: every_head(1, 4, WORDS[:8], WORDS[:8]),
        "five heads": lambda: every_head(1, 5, WORDS, WORDS, causal=True),
        "four heads, 64 tokens": lambda: every_head(1, 4, WORDS * 4, WORDS * 4, causal=True),
        "four layers": lambda: every_head(4, 4, WORDS, WORDS, causal=True),
        "three layers of twelve": lambda: every_head(3, 12, WORDS[:12], WORDS[:12]),
        "a date": lambda: every_head(1, 4, list("2024-03-17"), list("Sonntag,␣17.␣März␣2024␣月")),
        "few keys": lambda: every_head(2, 2, ["Donaudampfschiff"] * 20, ["$x_1$", "\\frac{", "Donaudampfschiff"]),
        "one token": lambda: every_head(1, 1, ["a"], ["a"]),
    },
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
    },
    "start.learning_frame": {
        "the first frame": lambda: film(0, 0.67),
        "a later frame": lambda: film(240, 0.75),
        "worse than the baseline": lambda: film(600, 0.52),
    },
}
FIGURES = {f"{name}: {case}": make for name, cases in CASES.items() for case, make in cases.items()}


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
    assert files == drawing | {"__init__", "paper", "parts", "pictures", "plane", "style", "units"}, (
        "a new file of figures belongs into MODULES and CASES"
    )


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_can_be_read_is_the_same_each_time_and_changes_no_setting(name):
    """All in one, since drawing is what takes the time."""
    make, before = FIGURES[name], matplotlib.rcParams.copy()
    figure = make()
    assert isinstance(figure, style.LectureFigure) and repr(figure) == f"Figure: {figure.says}"
    # a frame is drawn into a figure that another gave a sentence
    least = 2 if re.search(r"_frame:|draw_automaton:", name) else 6
    assert len(figure.says.split()) >= least
    drawn = figure._repr_png_()
    assert drawn == make()._repr_png_()
    found = faults(figure)
    assert not found, "\n".join(found)
    assert matplotlib.rcParams.copy() == before
    image = Image.open(BytesIO(drawn))
    wide, high = figure.get_size_inches() * 100
    assert image.size == (round(wide), round(high))
    colors = image.convert("RGB").getcolors(image.size[0] * image.size[1])
    assert colors is not None and len(colors) > COLOURS


def test_a_drawing_keeps_the_words_of_a_box_inside_the_box():
    cases = [CASES[f"vision_drawings.{name}_drawing"]["16 patches"] for name in ("vit", "mae")]
    cases.append(CASES["transfer_drawings.arms_drawing"]["as it is"])
    cases.append(CASES["scaling_drawings.parallel_drawing"]["4 processes"])
    for make in (drawings.attention_drawing, drawings.architecture_drawing, drawings.multi_head_drawing, *cases):
        figure = make()
        boxes = [patch.get_window_extent() for patch in figure.findobj(FancyBboxPatch)]
        inside = 0
        for text, words in texts(figure):
            if text.get_text().isdigit():  # a number stands on the corner of its box
                continue
            middle = (words.x0 + words.x1) / 2, (words.y0 + words.y1) / 2
            holding = [box for box in boxes if box.contains(*middle)]
            inside += len(holding) > 0
            assert all(box.x0 <= words.x0 and words.x1 <= box.x1 for box in holding), text.get_text()
            assert all(box.y0 <= words.y0 and words.y1 <= box.y1 for box in holding[-1:]), text.get_text()
        assert inside >= 10


def test_the_table_of_boxes_names_attributes_of_the_model():
    model = EncoderDecoder(5, 7, d_model=8, num_heads=2, num_layers=2, max_len=6)
    assert [number for number, _, _ in drawings.BOXES] == list(range(1, 12))
    for _, name, code in drawings.BOXES:
        if code == ".softmax(dim=-1)":
            continue
        assert isinstance(eval(f"model.{code}", {"model": model, "i": 0}), Module), code
        assert ("attention" in name) == code.endswith((".attention", ".cross"))
    drawn = {text.get_text() for text, _ in texts(drawings.architecture_drawing())}
    assert {str(number) for number, _, _ in drawings.BOXES} <= drawn


@pytest.mark.parametrize("name", ["vit", "mae"])
def test_the_code_in_a_drawing_of_vision_names_attributes_of_the_model(name):
    encoder = VisionTransformer((1, 8, 8), 2, 8, 2, 1, num_classes=3, pool="class")
    model = encoder if name == "vit" else MaskedAutoencoder(encoder, 8, 2, 1)
    cases = CASES[f"vision_drawings.{name}_drawing"]
    drawn = " ".join(text.get_text().replace("self.\n", "self.") for text, _ in texts(cases["16 patches"]()))
    named = {word.removeprefix("self.") for word in drawn.split() if word.startswith("self.")}
    assert len(named) >= 6 and all(hasattr(model, each) for each in named), named


def test_a_picture_is_dark_ink_on_white_and_hidden_patches_are_hatched():
    figure = style.new_figure(4, 4, "a picture")
    (ax,) = style.axes(figure)
    mask = np.array([True, False, False, False])
    pictures.picture(ax, np.eye(4)[None], mask)
    drawn = np.asarray(ax.images[0].get_array())
    assert (drawn[:2, :2] > 0.8).all()  # no hidden pixel is drawn at all
    drawn[:2, :2] = 1 - np.eye(2)
    assert np.array_equal(drawn, 1 - np.eye(4))  # 0 is drawn black
    (hidden,) = ax.collections
    corners = [path.vertices for path in hidden.get_paths()]
    assert hidden.get_hatch() and len(corners) == 1
    assert corners[0].min(0).tolist() == [0, 2] and corners[0].max(0).tolist() == [2, 4]  # the upper left quarter
    assert hidden.get_facecolor()[0, :3].min() > 0.8


def test_a_mosaic_puts_patches_back():
    whole = image(3, 12)
    assert np.array_equal(pictures.mosaic(pieces(whole, 4), rows=3), whole)
    assert pictures.mosaic(pieces(whole, 4), rows=3, gap=2).shape == (3, 16, 16)


def test_only_the_right_way_to_cut_gets_the_mark_of_the_right_one():
    said = [text.get_text() for text, _ in texts(ways(image(), 2, "transposed"))]
    assert sum(words.startswith("✓") for words in said) == 1
    assert {"✓ patchify", "✗ reshape alone", "✗ transposed"} <= set(said)


def test_what_a_shuffle_costs_is_counted_in_points():
    scores = {"CNN": (np.array([0.9, 1.0]), np.array([0.8, 0.8])), "ViT": (np.array([0.9]), np.array([0.92]))}
    said = {text.get_text() for text, _ in texts(vision.shuffled((image(), image()), scores))}
    assert {"CNN: −15.0 points", "ViT: +2.0 points"} <= said


def test_the_best_error_of_each_image_is_bold():
    errors = {"original": np.array([0.5, 0.02]), "masked": np.array([0.4, 0.03])}
    bold = {text.get_text() for text, _ in texts(rebuilt(2, "original", "masked", errors=errors)) if
            text.get_fontweight() == "bold"}  # fmt: skip
    assert bold == {"0.400", "0.020"}


def test_the_best_method_of_each_kind_is_named_above_it():
    errors = {"a": np.array([0.1, 0.4]), "b": np.array([0.2, 0.3])}
    best = [text for text, _ in texts(mae.by_content(["smooth", "detailed"], errors)) if
            text.get_fontweight() == "bold"]  # fmt: skip
    assert [(text.get_text(), text.get_position()[0]) for text in best] == [("a", 0), ("b", 1)]


def test_cost_is_drawn_relative_to_nothing_hidden():
    figure = mae.encoder_cost([0, 0.5], np.array([8.0, 2]), np.array([[3.0, 1], [5, 1], [4, 2]]))
    line, median = figure.axes[0].lines[:2]
    assert line.get_ydata().tolist() == [1, 0.25] and median.get_ydata().tolist() == [1, 0.25]


def test_the_interval_that_is_drawn_is_that_of_label_efficiency():
    values = torch.tensor(noise(5, 3))
    for ours, theirs in zip(transfer._interval(values.numpy(), "it"), interval(values), strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_where_harm_ends_is_said_and_ringed():
    steady = np.array([[0.01], [0.0], [-0.01]])
    found = {
        "a": steady + np.array([-0.2, 0.0, 0.1]),
        "b": steady - np.array([0.2, 0.1, 0.1]),
        "c": steady + np.array([0.2, 0.1, 0]),
        "d": steady + np.array([0.2, -0.1, -0.1]),
        "e": steady + np.array([0.2, 0.1, -0.1]),
    }
    figure = transfer.differences([1, 5, 20], found, {"a": 5, "b": None, "c": 1, "d": None, "e": None})
    said = {text.get_text() for text, _ in texts(figure)}
    assert {"a: harm ends at 5", "b: harms to the end", "c", "d: harms from 5 on", "e: harms at 20"} <= said
    rings = [line for line in figure.axes[0].lines if line.get_markersize() > 20]
    assert [round(float(ring.get_xdata()[0]), 0) for ring in rings] == [5]
    assert np.isclose(rings[0].get_ydata()[0], 0)


def test_an_arm_is_below_only_where_the_interval_of_its_difference_is():
    spread = np.array([-0.1, 0, 0.1])  # of the seeds: the same in all arms, so that it is not in the differences
    own = np.array([0.01, 0, -0.01])
    arms = {"far below": 0.4, "near": 0.49, "baseline": 0.5, "above": 0.6, "pixels": 0.7}
    given = {name: x + spread + (name != "baseline") * own for name, x in arms.items()}
    figure = transfer.ranking(given, "baseline", ["pixels"])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["pixels", "above", "baseline", "near", "far below"]
    colors = [label.get_color() for label in figure.axes[0].get_yticklabels()]
    assert (colors[0], colors[1], colors[3], colors[4]) == (style.GREY, style.BLUE, "black", style.RED)
    said = {text.get_text() for text, _ in texts(figure)}
    assert {"40 %   −10 ± 2", "49 %   −1 ± 2", "60 %   +10 ± 2", "50 %"} <= said


def test_what_the_source_lost_is_counted_from_the_state_before():
    after = {"tuned": (0.4, style.RED), "kept": (0.99, "black"), "better": (1.0, "black")}
    pairs = {name: (np.full(2, x), np.ones(2)) for name, (x, _) in after.items()} | {"first": (np.full(2, 0.99),) * 2}
    figure = transfer.forgetting(pairs, "first")
    assert next(label.get_text() for label in figure.axes[0].get_yticklabels()) == "first"
    said = {text.get_text(): text.get_color() for text, _ in texts(figure)}
    assert {"−59 points": style.RED, "0 points": "black", "+1 points": "black"}.items() <= said.items()


def test_cells_with_one_arm_have_one_colour():
    cells = [["probe\n90 %", "pixels\n86 %"], ["pixels\n94 %", "probe\n95 %"]]
    figure = transfer_drawings.decision_card(["1", "5"], ["near", "far"], cells)
    a, b, c, d = (patch.get_facecolor() for patch in figure.axes[0].patches)
    assert a == d != b == c


@pytest.mark.parametrize("arm", ["fine-tuned", "last block", "low rank"])
def test_the_drawing_of_the_arms_says_what_is_trained(arm):
    model = VisionTransformer((1, 4, 4), 2, 8, 2, 2, num_classes=2)
    model = add_lora(model, 1) if arm == "low rank" else model
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    examples = torch.as_tensor(np.stack([image(side=4, seed=k) for k in range(4)])).float(), torch.tensor([0, 1, 0, 1])
    fine_tune([model], [examples], steps=2, batch_size=4, last=1 if arm == "last block" else None)
    moved = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    places = ["patches", "blocks.0", "blocks.1", "norm", "out"]  # of the parts of the drawing, from the input up
    added = (".down", ".up")
    trained = [any(n.startswith(place) and not n.endswith(added) for n in moved) for place in places]
    assert trained == [state.endswith("trained") for state in transfer_drawings._ARMS[arm]]
    assert any(name.endswith(added) for name in moved) == (arm == "low rank")


def said_by(figure: Figure) -> set[str]:
    return {text.get_text() for text, _ in texts(figure)}


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ((128, 192), "Time: crossing 1.5 × later than predicted"),
        ((128, 32), "Time: crossing 4 × earlier than predicted"),
        ((128, 130), "Time: crossing as predicted"),
        ((None, 130), "Time: a crossing only measured"),
        ((130, None), "Time: a crossing only predicted"),
        ((None, None), "Time: no crossing"),
    ],
)
def test_the_miss_of_a_prediction_is_said_and_marked(pair, says):
    figure = crossed("attention", "LSTM", time=pair)
    said = said_by(figure)
    assert says in said
    for words, value in zip(("predicted", "measured"), pair, strict=True):
        assert (f"{words} {value}" in said) == (value is not None)
    figure.canvas.draw()
    ax = figure.axes[0]
    marked = [line for line in ax.lines if line.get_marker() == "^" and line.get_transform() == ax.transAxes]
    to_data = ax.transAxes + ax.transData.inverted()
    places = [to_data.transform(line.get_xydata()[0])[0] for line in marked]
    np.testing.assert_allclose(places, [value for value in pair if value is not None])


def test_the_networks_that_cross_are_named():
    figure = crossed("attention", "LSTM", time=(128, 192), pairs={"time": "these two", "memory": "those"})
    assert "Time, these two:\ncrossing 1.5 × later than predicted" in said_by(figure)


def test_a_filled_mark_is_the_median_of_the_rounds():
    seconds = np.array([[1.0, 4], [2, 5], [9, 60]])
    figure = scaling.three_ways([16, 32], {"a": seconds}, {"a": [10, 20]}, {"a": (1.5, 1.0)})
    left, right = figure.axes
    assert left.lines[-1].get_ydata().tolist() == [2, 5] and right.lines[-1].get_ydata().tolist() == [10, 20]
    assert [line.get_ydata().tolist() for line in left.lines[:-1]] == seconds.tolist()
    assert {"a\n~ $n^{1.5}$", "a\n~ $n^{1.0}$"} <= said_by(figure)


def test_a_share_is_one_of_the_fastest_product():
    figure = scaling.peak_share([16, 32], [[10.0, 40], [30, 60]], {"a layer": (16, 5.0)})  # medians 20 and 50
    assert {"a layer: 10 %", "peak: 50 GFLOP/s"} <= said_by(figure)


def test_what_a_cache_saves_is_that_at_the_last_length():
    figure = scaling.writing([8, 16], [[2e-3, 12e-3]], [[1e-3, 4e-3]], [1e6, 2e6])
    assert {"At 16 tokens: 3 times as fast with a cache", "without cache\n12 ms", "Keys, values: 2 MB"} <= said_by(
        figure
    )


def test_the_best_width_of_a_budget_is_ringed_and_named():
    figure = scaling.budget([16, 32], {1e11: [[3.0, 2], [3, 4]], 1e9: [[1, np.nan]]}, None, {1e11: 32, 1e9: 16})
    rings = [line.get_xydata()[0].tolist() for line in figure.axes[0].lines if line.get_markersize() > 20]
    assert rings == [[16, 1], [32, 3]]
    assert {"10⁹ operations\nbest: 16 wide", "10¹¹ operations\nbest: 32 wide"} <= said_by(figure)


def test_the_difference_of_two_processes_is_said():
    one = np.array([2.0, 1.5, 1.0])
    assert "Apart by 3·10⁻⁶ at most" in said_by(
        scaling.two_processes([0, 1, 2], one, one + 1e-6 * np.array([0, 3, -1]))
    )
    assert "Apart by 1.2 at most" in said_by(scaling.two_processes([0, 1, 2], one, one + np.array([0, 1.24, 0])))
    figure = scaling.two_processes([0, 1, 2], one, one)
    assert "Equal to the bit" in said_by(figure) and "difference" not in said_by(figure)


def test_a_device_that_was_not_measured_is_one_empty_column():
    table = {"a": {"CPU": "1 s", "GPU": ""}, "b": {"CPU": "2 s"}}
    said = [text.get_text() for text, _ in texts(scaling_drawings.device_table(table))]
    assert said.count("not measured yet") == 1
    table["b"]["GPU"] = "3 ms"
    said = [text.get_text() for text, _ in texts(scaling_drawings.device_table(table))]
    assert said.count("not measured yet") == 1 and "3 ms" in said


@pytest.mark.parametrize(
    ("value", "units", "digits", "says"),
    [
        (999.9, BYTES, 3, "1 kB"),
        (1e6, BYTES, 3, "1 MB"),
        (1_048_576, BYTES, 3, "1.05 MB"),
        (0.5, BYTES, 3, "0.5 B"),
        (3e18, BYTES, 2, "3,000 PB"),
        (60, LONG_TIMES, 2, "1 min"),
        (0.000_12, SECONDS, 3, "120 µs"),
    ],
)
def test_a_quantity_stands_in_a_fitting_unit(value, units, digits, says):
    assert in_unit(value, units, digits) == says


def test_a_plain_number_has_no_exponent():
    assert [plain(x) for x in (0.5, 9.96, 12.4, 213, 1e6)] == ["0.5", "10", "12", "210", "1,000,000"]


def test_a_power_of_ten_has_a_first_digit_from_1_to_9():
    assert [power(x) for x in (1e9, 9.99e8, 1e-7, 2.5e11, 1)] == ["10⁹", "10⁹", "10⁻⁷", "2.5·10¹¹", "10⁰"]


def test_tensors_can_be_drawn():
    loss = torch.tensor([3.0, 2])
    scaling.two_processes([0, 1], loss, loss)._repr_png_()
    scaling.writing(torch.tensor([1, 2]), loss[None], loss[None], loss)._repr_png_()
    scaling.budget([1, 2], {1e9: loss[None]}, 4.0, {1e9: 2})._repr_png_()
    curves = torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
    transfer.label_curves([1, 5], {"a": curves}, 0.1)._repr_png_()
    transfer.differences([1, 5], {"a": curves - 0.5}, {"a": 5})._repr_png_()
    transfer.forgetting({"a": (curves[:, 0], curves[:, 1])}, "a")._repr_png_()
    transfer.mixing_path(torch.tensor([0.0, 1]), curves, curves, chosen=1.0)._repr_png_()
    transfer_drawings.glyph_rows({"a": torch.as_tensor(image())[None]})._repr_png_()
    shown = torch.as_tensor(image())
    mask = torch.as_tensor(hide(2, 16))
    mae.reconstructions({"masked": torch.stack([shown] * 2)}, mask, ["masked"])._repr_png_()
    vision.patches(shown, torch.as_tensor(pieces(image(), 2)))._repr_png_()
    vision_drawings.mae_drawing(shown, mask[0])._repr_png_()


def test_labels_are_moved_apart_as_little_as_needed():
    assert parts.apart([1.0, 3, 9], gap=2).tolist() == [1, 3, 9]
    assert parts.apart([5.0, 5, 5], gap=2).tolist() == [3, 5, 7]
    assert parts.apart([5.0, 0, 5.5], gap=1).tolist() == [4.75, 0, 5.75]
    for seed in range(20):
        wanted = noise(8, seed=seed)
        placed = parts.apart(wanted, gap=0.3)
        assert (np.diff(np.sort(placed)) >= 0.3 - 1e-9).all() and (np.argsort(placed) == np.argsort(wanted)).all()
        assert np.isclose(placed.mean(), wanted.mean())


def test_masked_cells_are_not_drawn_and_expected_cells_are_outlined():
    expected = np.zeros((3, 4), bool)
    expected[1, 1:3] = True
    figure = style.new_figure(4, 3, "a map")
    (ax,) = style.axes(figure)
    image = parts.draw_map(ax, np.ones((3, 4)), mask=triangle(3, 4), expected=expected)
    assert (np.ma.getmaskarray(image.get_array()) == ~triangle(3, 4)).all()
    assert ax.patch.get_hatch() == "////"
    collection = ax.collections[-1]
    edges = {tuple(map(tuple, edge)) for edge in collection.get_segments()}
    assert len(edges) == 6 and ((1.5, 0.5), (1.5, 1.5)) not in edges  # around both cells, not between them


@pytest.mark.parametrize(("number", "every"), [(8, 1), (16, 2), (64, 8)])
def test_names_that_do_not_fit_are_thinned_and_stay_at_their_places(number, every):
    figure = style.new_figure(4, 3, "an axis")
    (ax,) = style.axes(figure)
    parts.name_ticks(ax, "y", [str(k) for k in range(number)], inches=1.6)
    assert [(t, label.get_text()) for t, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)] == [
        (k, str(k)) for k in range(0, number, every)
    ]


def test_what_a_mixing_map_says_follows_from_its_zeros():
    said = {text.get_text() for text, _ in texts(mixing(4, "norm", "attention", "causal"))}
    assert {"each token alone", "mixes tokens", "mixes, not ahead"} <= said


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: attention.maps([np.eye(2)] * 5, [""] * 5, [["a", "b"]] * 5, [["a", "b"]] * 5),
            "5 maps: expected 1 to 4",
        ),
        (lambda: attention.maps([np.eye(2)], [], [["a", "b"]], [["a", "b"]]), "0 titles for 1 maps: expected one"),
        (
            lambda: attention.maps([np.eye(2)], ["a"], [["a"]], [["a", "b"]]),
            r"\(2, 2\) and \(1, 2\): expected the same",
        ),
        (lambda: attention.mask_panels({"m": np.eye(2)}), "mask 'm' has type float64"),
        (lambda: attention.mask_panels({"m": triangle(2)}, ["a"], ["a", "b"]), r"\(2, 2\) and \(1, 2\)"),
        (lambda: attention.weights_bars(["a", "b"], np.ones(2), np.ones(3), 1.0), "keys and values have shapes"),
        (lambda: drawings.multi_head_drawing(7), "heads=7: expected 2 to 6"),
        (lambda: scaling_drawings.waiting(4), "length=4: expected 5 to 8"),
        (lambda: scaling_drawings.waiting(6.0), r"length=6.0: expected 5 to 8"),  # type: ignore[arg-type]
        (lambda: scaling_drawings.parallel_drawing(1), "processes=1: expected 2 to 4"),
        (lambda: scaling_drawings.device_table({}), r"0 rows, devices \[\]: expected 1 to 8"),
        (lambda: scaling_drawings.device_table({"a": dict.fromkeys("12345", "")}), "1 rows, devices .*: expected"),
        (
            lambda: scaling.three_ways([2, 1], {"a": np.ones((1, 2))}, {}, {}),
            "sizes are .*: expected numbers that grow",
        ),
        (lambda: scaling.three_ways([1], {"a": np.ones((1, 1))}, {}, {}), "sizes are .*: expected 2 or more finite"),
        (lambda: scaling.three_ways([0, 1], {"a": np.ones((1, 2))}, {}, {}), "expected 2 or more finite numbers above"),
        (lambda: scaling.three_ways([1, 2], {}, {}, {}), "0 ways: expected 1 to 4"),
        (lambda: scaling.three_ways([1, 2], {"a": np.ones((1, 2))}, {}, {}), r"memory of \[\], exponents of \[\]"),
        (
            lambda: scaling.three_ways([1, 2], {"a": np.ones((1, 3))}, {"a": np.ones(2)}, {"a": (1, 1)}),
            r"seconds of 'a' have shape \(1, 3\)",
        ),
        (
            lambda: scaling.three_ways([1, 2], {"a": np.ones((1, 2))}, {"a": np.zeros(2)}, {"a": (1, 1)}),
            "bytes of 'a' are not all finite and above 0",
        ),
        (lambda: crossed("a", time=(1, 20)), "predicted crossing is 1: expected one within the sizes 16 to 2048"),
        (lambda: crossed("a", time=(20, np.nan)), "measured crossing is nan: expected a number of tokens"),
        (lambda: crossed("a", "b", "c", "d", time=(20, 20)), "4 networks: expected 1 to 3"),
        (lambda: crossed("a", time=(20, 30), pairs={"time": "both"}), r"crossings \(and pairs\) of 'time'"),
        (lambda: scaling.crossing([1, 2], {"a": (None, np.ones((1, 2)))}, {}, {}), r"memory of \[\], crossings of"),
        (
            lambda: scaling.crossing(
                [1, 2],
                {"a": (np.ones(3), np.ones((1, 2)))},
                {"a": (None, np.ones(2))},
                dict.fromkeys(["time", "memory"], (None, None)),
            ),
            r"predicted time of 'a' have shape \(3,\): expected \(2,\)",
        ),
        (lambda: scaling.peak_share([1, 2], np.ones(2), {}), "0 marks: expected 1 to 6"),
        (lambda: scaling.peak_share([1, 2], np.ones(2), {"a": (0, 1)}), "side and rate of 'a' are not all finite"),
        (lambda: scaling.peak_share([1, 2], np.ones(3), {"a": (1, 1)}), r"shape \(1, 3\): expected \(seeds, 2\)"),
        (lambda: scaling.writing([1, 2], np.ones((1, 2)), np.ones((1, 2)), np.ones(3)), "bytes have shape"),
        (lambda: scaling.budget([1, 2], {1e9: np.ones((1, 2))}, None, {1e8: 1}), "expected the same budgets"),
        (lambda: scaling.budget([1, 2], {1e9: np.ones((1, 2))}, None, {1e9: 3}), "best of 1e.09 is 3: expected one of"),
        (
            lambda: scaling.budget([1, 2], {1e9: np.array([[1, 2], [1, np.nan]])}, None, {1e9: 1}),
            "losses of 1e.09 are NaN or infinite for some seeds",
        ),
        (lambda: scaling.budget([1, 2], {}, None, {}), "0 budgets: expected 1 to 4"),
        (lambda: scaling.two_processes([1], [1.0], [1.0, 2.0]), r"losses of two have shape \(2,\)"),
        (lambda: scaling.two_processes([2, 1], [1.0, 1], [1.0, 2.0]), "steps are .*: expected numbers that grow"),
        (lambda: scaling.two_processes([1], [1.0], [1.0], {"a": 0}), "seconds are {'a': 0.0}: expected at most 2"),
        (lambda: patch_playground.looked_at(noise(2, 1, 4, 4), {}, ["a"]), "titles: 1 for 2 images; expected one for"),
        (lambda: patch_playground.looked_at(noise(1, 1, 4, 4), {"m": noise(2, 2, 2)}, ["a"]), "m: 2 for 1 images"),
        (
            lambda: patch_playground.painted(noise(2, 1, 4, 4), triangle(2), noise(2, 1, 4, 4), 2, [(1, 1)]),
            "errors: 1 for 2 images",
        ),
        (lambda: transfer_lab.learning_curves({}, {}, ""), "0 runs: expected 1 to 4"),
        (
            lambda: transfer_lab.learning_curves({"a": ([0, 10], np.ones((3, 2)))}, {}, ""),
            r"run 'a' has 2 steps and accuracies \(3, 2\)",
        ),
        (lambda: transformer.mixing({"a": -np.eye(2)}), r"map 'a' \(2, 2\): expected"),
        (lambda: transformer.mixing({"a": np.ones((2, 3))}), r"map 'a' \(2, 3\): expected"),
        (lambda: transformer.mixing({}), "0 maps: expected 1 to 6"),
        (lambda: transformer.exposed(["a"], ["b"], np.eye(2)), r"\(2, 2\) and \(1, 1\)"),
        (lambda: transformer.ablation(np.eye(2), ["a"], ["b"]), r"\(2, 2\) and \(1, 1\)"),
        (lambda: vision.patches(image(), np.zeros((16, 4))), r"patches have shape \(16, 4\): expected \(N, C, P, P\)"),
        (lambda: vision.patches(image(), np.zeros((15, 1, 2, 2))), "15 patches do not fill an image of 8 x 8"),
        (lambda: vision.patches(image()[0], np.zeros((16, 1, 2, 2))), r"shape \(8, 8\): expected \(C, height, width\)"),
        (lambda: vision.patches(image()[..., None], np.zeros((16, 1, 2, 2))), "expected .* 1 or 3 channels"),
        (lambda: vision.patches(np.full((1, 8, 8), np.nan), np.zeros((16, 1, 2, 2))), "finite"),
        (lambda: vision.cuts(image(), {}), "0 ways to cut: expected 1 to 4"),
        (lambda: vision.cuts(image(), {"a": np.zeros((16, 4))}), r"cut 'a' has shape \(16, 4\)"),
        (lambda: vision.accuracies({"a": np.ones(2)}, 0.1, "b"), "highlight 'b' is not among"),
        (lambda: vision.accuracies({"a": np.ones((2, 2))}, 0.1), r"scores of 'a' have shape \(2, 2\)"),
        (lambda: vision.accuracies({}, 0.1), "no scores: expected at least one"),
        (lambda: vision.shuffled((image(), image()), {"a": (np.ones(2), np.ones(3))}), "scores of 'a' have shapes"),
        (lambda: vision.position_similarity(np.eye(5), 2, 2), r"\(5, 5\) and \(4, 4\)"),
        (lambda: vision.looked_at(image()[None], {"a": np.ones((2, 4, 4))}), r"map 'a' has shape \(2, 4, 4\)"),
        (lambda: vision.looked_at(image()[None], {"a": -np.ones((1, 4, 4))}), "map 'a' holds negative numbers"),
        (lambda: vision.looked_at(image()[None], {"a": np.ones((1, 4, 4))}, ["b"]), r"signed names \['b'\]"),
        (lambda: vision.looked_at(image()[None], {"a": np.ones((1, 4, 4))}, says=[]), r"\(1,\) and \(0,\)"),
        (
            lambda: vision.deletion([0, 1], {"a": np.ones(2)}, 0.1),
            r"accuracy of 'a' have shape \(2,\): expected \(seeds, 2\)",
        ),
        (lambda: vision.by_training_size([1], {}, 0.1), "no accuracy: expected at least one"),
        (lambda: vision.patch_sides([1, 2], [4], [1, 2], np.ones((1, 2))), "sides and tokens have shapes"),
        (lambda: mae.reconstructions({"a": image()[None], "b": np.stack([image()] * 2)}), "columns have shapes"),
        (lambda: mae.reconstructions({"a": image()[None]}, hatched=["a"]), "without a mask"),
        (lambda: mae.reconstructions({"a": image()[None]}, hide(1, 16), ["b"]), r"hatched names \['b'\]"),
        (lambda: mae.reconstructions({"a": image()[None]}, hide(2, 16), ["a"]), "masks and images have shapes"),
        (lambda: mae.reconstructions({"a": image()[None]}, hide(1, 15), ["a"]), "15 patches do not fill"),
        (lambda: mae.reconstructions({"a": image()[None]}, hide(1, 16) * 1.0, ["a"]), "type float64: expected .* bool"),
        (lambda: mae.reconstructions({"a": image()[None]}, errors={"b": np.ones(1)}), r"errors names \['b'\]"),
        (lambda: mae.errors_along({"a": ([0, 1], [1.0])}, {}), "training steps and errors of 'a'"),
        (lambda: mae.mask_kinds({"a": (image(), hide(1, 16)[0])}, {}), r"examples of \['a'\], errors of \[\]"),
        (lambda: mae.leak({"a": image()[None]}, errors_of("b"), hide(1, 16), ["c"]), r"leaked names \['c'\]"),
        (lambda: mae.hidden_or_all({"a": errors_of("x"), "b": errors_of("y")}, {}), r"errors of 'b' are on \['y'\]"),
        (
            lambda: mae.hidden_or_all({"a": errors_of("x")}, {"b": np.zeros((1, 4, 4))}, hatched=["b"]),
            r"expected masked",
        ),
        (lambda: mae.by_content(["a"], {"b": np.ones(2)}), "kinds of content and errors of 'b'"),
        (lambda: mae.encoder_cost([0.1], np.ones(1), np.ones((1, 1))), "begin with 0.1: expected 0"),
        (lambda: mae.free_labels([("a", "b")]), "1 rows: expected 1 to 6, each of three texts"),
        (lambda: transfer.label_curves([5, 1], {"a": np.ones((2, 2))}, 0.1), "expected numbers above 0 that grow"),
        (lambda: transfer.label_curves([1], {"a": np.ones((1, 1))}, 0.1), "accuracy of 'a' has 1 seed: expected 2"),
        (lambda: transfer.label_curves([1], {"a": np.full((2, 1), np.nan)}, 0.1), "'a' holds NaN or infinity"),
        (lambda: transfer.label_curves([1, 2], {"a": np.ones((2, 3))}, 0.1), r"shape \(2, 3\): expected \(seeds, 2\)"),
        (lambda: transfer.label_curves([1], {"a": np.ones((2, 1))}, 0.1, ["b"]), r"controls names \['b'\]"),
        (lambda: transfer.label_curves([1], {"a": np.ones((2, 1))}, 0.1, [], ["b"]), r"highlight names \['b'\]"),
        (lambda: transfer.label_curves([1], {str(k): np.ones((2, 1)) for k in range(8)}, 0.1), "8 arms, 0 controls"),
        (lambda: transfer.differences([1], {"a": np.ones((2, 1))}, {"b": 1}), r"ends of \['b'\]: expected the same"),
        (lambda: transfer.differences([1], {"a": np.ones((2, 1))}, {"a": 3}), "ends of 'a' is 3: expected one of"),
        (lambda: transfer.ranking({"a": np.ones(2)}, "b"), r"baseline names \['b'\]"),
        (lambda: transfer.ranking({"a": np.ones(2)}, "a", ["b"]), r"controls names \['b'\]"),
        (lambda: transfer.ranking({str(k): np.ones(2) for k in range(19)}, "0"), "19 arms: expected at most 18"),
        (lambda: transfer.forgetting({"a": (np.ones(2),) * 2}, "b"), r"first names \['b'\]"),
        (
            lambda: transfer.forgetting({"a": (1, 2, 3)}, "a"),  # type: ignore[dict-item]
            "'a' has 3 accuracies: expected a pair",
        ),
        (lambda: transfer.mixing_path([1, 0], np.ones((2, 2)), np.ones((2, 2))), "expected two or more that grow"),
        (
            lambda: transfer.mixing_path([0, 1], np.ones((2, 2)), np.ones((2, 2)), chosen=0.5),
            "chosen=0.5: expected one",
        ),
        (lambda: transfer_drawings.glyph_rows({}), "0 rows of 12"),
        (lambda: transfer_drawings.glyph_rows({"a": image()}), r"'a' has shape \(1, 8, 8\): expected \(n, C"),
        (lambda: transfer_drawings.arms_drawing({"a": 1}, 2), r"counts of \['a'\], total 2: expected counts of"),
        (lambda: transfer_drawings.costs([1, 2], {"a": np.ones(3)}, {"b": 1}, 1), "tasks and bytes of 'a' have shapes"),
        (lambda: transfer_drawings.costs([1], {"a": np.ones(1)}, {"b": 0}, 1), "all above 0"),
        (lambda: transfer_drawings.costs([2, 1], {"a": np.ones(2)}, {"b": 1}, 1), r"tasks are \[2.0, 1.0\]: expected"),
        (lambda: card(6, 4, "a"), "6 rows, 4 columns: expected 1 to 5 and 1 to 4"),
        (lambda: transfer_drawings.decision_card(["1"], ["a"], [["b", "c"]]), r"cells have rows of \[2\]: expected 1"),
        (lambda: transfer_drawings.decision_card(["1"], ["a"], [["b"]], []), r"colors have rows of \[\]"),
        (lambda: transfer_drawings.layer_steps({"a": [1, 2]}, ["b"]), "layers and steps of 'a'"),
        (lambda: transfer_drawings.layer_steps({"a": [-1]}, ["b"]), "expected one of 0 or more"),
        (lambda: transfer_drawings.layer_steps({"a": [0]}, ["b"]), "with some step above 0"),
        (lambda: vision_drawings.vit_drawing(image(), 5), "5 patches do not fill"),
        (lambda: vision_drawings.mae_drawing(image(), np.ones(16, bool)), "hides 16 of 16 patches"),
    ],
)
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
        "    next(iter(cases.values()))()\n"
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
