"""Drawings of notebooks 03 and 04: attention, many heads, the block, the whole transformer; in each box, its code."""

import textwrap
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.patches import Circle

from lecturelib.figures.colors import BLUE, GREY, ORANGE
from lecturelib.figures.paper import (
    INK,
    MONO,
    PALE,
    arrow,
    box,
    legend,
    link,
    matrix,
    numbered,
    paper,
    residual,
    rounded,
)
from lecturelib.figures.style import LectureFigure, styled

# number, name, code: the boxes of `architecture_drawing`, but for the last attributes of
# `lecturelib.transformer.EncoderDecoder`
BOXES = [
    (1, "tokens and positions", "encoder.embedding"),
    (2, "self-attention", "encoder.blocks[i].attention"),
    (3, "feed-forward", "encoder.blocks[i].feed_forward"),
    (4, "norm", "encoder.norm"),
    (5, "tokens and positions", "embedding"),
    (6, "causal self-attention", "blocks[i].attention"),
    (7, "cross-attention", "blocks[i].cross"),
    (8, "feed-forward", "blocks[i].feed_forward"),
    (9, "norm", "norm"),
    (10, "logits", "head"),
    (11, "softmax", ".softmax(dim=-1)"),
]


@styled
def attention_drawing() -> LectureFigure:
    """Draw attention from left to right: scores, mask, weights, mix; a small example of each matrix under its box."""
    figure, ax = paper(12, 5.6, "attention as four boxes from left to right: scores, mask, weights and mix, with code")
    scores = np.array([[1.2, 0.2, 0.5, 0.1], [0.3, 1.6, 0.2, 0.9], [0.2, 0.4, 1.1, 0.1]])
    mask = np.tril(np.ones((3, 4), bool), 1)
    weights = np.where(mask, np.exp(2.2 * scores), np.nan)
    weights /= np.nansum(weights, 1, keepdims=True)
    top, high = 3.35, 1.15
    for y, name, shape in ((4.1, "q", "(T, d_k)"), (2.95, "k", "(S, d_k)"), (0.75, "v", "(S, d_v)")):
        box(ax, 0.15, y, 0.62, 0.62, name, color=GREY, points=19)
        ax.text(0.46, y - 0.2, shape, ha="center", va="center", fontsize=13)
    boxes = [
        (1.65, 2.0, "scores", "q @ k.mT\n/ sqrt(d_k)"),
        (4.45, 1.85, "mask", "masked_fill(\n ~mask, -inf)"),
        (7.1, 1.85, "weights", "softmax(\n dim=-1)"),
        (9.65, 1.5, "mix", "weights @ v"),
    ]
    for x, w, name, code in boxes:
        box(ax, x, top, w, high, name, code, ORANGE if name == "mix" else BLUE, points=16)
    arrow(ax, (0.8, 4.4), (1.63, 4.15))
    arrow(ax, (0.8, 3.27), (1.63, 3.7))
    for k in range(3):
        start = boxes[k][0] + boxes[k][1]
        arrow(ax, (start, top + high / 2), (boxes[k + 1][0], top + high / 2))
        ax.text((start + boxes[k + 1][0]) / 2, top + 0.84, "(T, S)", ha="center", va="center", fontsize=13)
    arrow(ax, (11.15, top + high / 2), (11.95, top + high / 2))
    ax.text(11.58, top + 0.84, "(T, d_v)", ha="center", va="center", fontsize=13)
    ax.text(5.38, 5.2, "mask: True = may look", ha="center", va="center", fontsize=13)
    arrow(ax, (5.38, 5.03), (5.38, top + high))
    ax.plot([0.8, 10.4], [1.06, 1.06], color=INK, lw=2)
    arrow(ax, (10.4, 1.06), (10.4, top))
    for x, values, words in ((1.95, scores, "one score for each\nquery and key"),
                             (4.68, np.where(mask, scores, np.nan), "hatched: -inf,\nmay not look"),
                             (7.33, weights, "each row\nsums to 1")):  # fmt: skip
        matrix(ax, x, 1.98, 1.4, 1.05, values)
        ax.text(x + 0.7, 1.58, words, ha="center", va="center", fontsize=13, linespacing=1.15)
        link(ax, x + 0.7, top, 3.03)
    words = "T queries, S keys, each key with a value; darker: larger"
    ax.text(0.15, 0.17, words, fontsize=13, color=GREY, va="center")
    return figure


@styled
def multi_head_drawing() -> LectureFigure:
    """Draw attention with four heads: split D, attend in each head, lay the heads side by side again."""
    figure, ax = paper(12, 5.6, "attention with 4 heads side by side, each with its own map, with code")
    middle = 2.95
    ax.text(0.52, middle, "x", fontsize=20, weight="bold", ha="center", va="center")
    ax.text(0.52, middle - 0.36, "(B, T, D)", fontsize=13, ha="center", va="center")
    for y, name, code in ((4.1, "query", "q_proj(x)"), (middle - 0.5, "key", "k_proj(x)"), (0.8, "value", "v_proj(x)")):
        box(ax, 1.65, y, 1.6, 1.0, name, f"self.\n{code}", BLUE)
        arrow(ax, (0.98, middle + 0.25 * np.sign(y + 0.5 - middle)), (1.63, y + 0.5))
        arrow(ax, (3.25, y + 0.5), (3.85, middle + (y + 0.5 - middle) * 0.3))
    box(ax, 3.85, middle - 0.75, 1.4, 1.5, "split", "self.split", GREY)
    ax.text(4.55, middle - 1.0, "(B, H, T, K)", ha="center", va="center", fontsize=13)
    pitch, high = 1.125, 1.0
    rng = np.random.default_rng(5)
    for h in range(4):
        y = middle + 2.25 - pitch * (h + 0.5) - high / 2
        rounded(ax, 6.0, y, 2.45, high, corner=0.08, fc=PALE[ORANGE], ec=ORANGE, lw=2.6, zorder=2)
        ax.text(6.12, y + high / 2, f"head {h + 1}", fontsize=14, va="center", weight="bold", zorder=3)
        scores = 2.5 * rng.normal(size=(4, 4))
        side = high - 0.16
        weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        matrix(ax, 8.4 - side - 0.05, y + 0.08, side, side, weights)
        arrow(ax, (5.25, middle + (y + high / 2 - middle) * 0.25), (5.98, y + high / 2))
        arrow(ax, (8.45, y + high / 2), (9.1, middle + (y + high / 2 - middle) * 0.25))
    ax.text(7.22, 5.38, "attend(q, k, v, mask)", ha="center", va="center", fontsize=13, family=MONO)
    box(ax, 9.1, middle - 0.75, 1.3, 1.5, "merge", "self.merge", GREY)
    ax.text(9.75, middle - 1.0, "(B, T, D)", ha="center", va="center", fontsize=13)
    box(ax, 10.65, middle - 0.5, 1.1, 1.0, "linear", "self.\nout_proj", BLUE, points=15)
    arrow(ax, (10.4, middle), (10.65, middle))
    arrow(ax, (11.75, middle), (11.98, middle))
    ax.text(11.22, middle - 0.75, "(B, T, D)", ha="center", va="center", fontsize=13)
    words = "each head, of width K = D / H: its own map of T × T weights; darker: more weight"
    ax.text(1.65, 0.3, words, fontsize=13, color=GREY, va="center")
    return figure


@styled
def block_drawing() -> LectureFigure:
    """Draw a block with three tokens as lanes: they cross in the attention box alone."""
    says = "a block: norm, attention, residual, norm, feed-forward, residual; attention alone mixes tokens"
    figure, ax = paper(12, 4.7, says)
    lanes = (2.55, 2.1, 1.65)
    for k, y in enumerate(lanes):
        ax.plot([0.75, 11.55], [y, y], color=GREY, lw=2, zorder=1)
        arrow(ax, (11.3, y), (11.75, y), color=GREY)
        ax.text(0.68, y, f"token {k + 1}", ha="right", va="center", fontsize=12)
    low, high = 1.2, 1.8
    boxes = [
        (1.15, 1.95, "norm", "norm_attention", BLUE),
        (3.4, 1.75, "attention", "attention", ORANGE),
        (6.35, 2.15, "norm", "norm_feed_forward", BLUE),
        (8.75, 1.6, "feed-forward", "feed_forward", BLUE),
    ]
    for x, w, name, code, color in boxes:
        box(ax, x, low, w, high, "", color=color)
        ax.text(x + w / 2, low + high + 0.36, name, ha="center", va="center", fontsize=16, weight="bold")
        ax.text(x + w / 2, low - 0.22, code, ha="center", va="center", fontsize=12.5, family=MONO)
        for a in lanes:
            for b in lanes if color == ORANGE else (a,):
                ax.plot([x + 0.12, x + w - 0.12], [a, b], color=color, lw=2.4, zorder=3)
    for x, start in ((5.65, 0.95), (10.85, 6.1)):
        ax.plot([start] * 3, lanes, "o-", color=INK, lw=1.8, ms=6, zorder=2)
        residual(ax, start, x, lanes[0], 3.85, until=2.7)
        rounded(ax, x - 0.22, 1.5, 0.44, 1.2, corner=0.2, fc="white", ec=INK, lw=2, zorder=4)
        ax.text(x, 2.1, "+", ha="center", va="center", fontsize=22, weight="bold", zorder=5)
    for x, words in ((3.3, "x + attention(norm_attention(x))"), (8.47, "x + feed_forward(norm_feed_forward(x))")):
        ax.text(x, 3.98, words, ha="center", va="bottom", fontsize=13, family=MONO)
    ax.text(11.9, 0.45, "arrow: residual connection", fontsize=14, ha="right", va="center")
    legend(ax, 0.9, 0.45, ORANGE, "mixes tokens: attention, nothing else")
    legend(ax, 5.9, 0.45, BLUE, "works on each token alone")
    return figure


@styled
def architecture_drawing() -> LectureFigure:
    """Draw the whole `EncoderDecoder`: the encoder's lane above, the decoder's below, numbered as in `BOXES`."""
    says = "the transformer: an encoder reads, a decoder writes and looks at what was read, with code"
    figure, ax = paper(12, 6.4, says)
    upper, lower, high = 4.25, 1.4, 1.2
    places = {  # number: x, y, width
        1: (0.92, upper, 1.36), 2: (2.75, upper, 1.4), 3: (4.65, upper, 1.55), 4: (6.95, upper, 1.15),
        5: (0.92, lower, 1.36), 6: (2.75, lower, 1.4), 7: (4.65, lower, 1.25), 8: (6.4, lower, 1.55),
        9: (8.65, lower, 0.8), 10: (9.7, lower, 0.95), 11: (10.9, lower, 1.05),
    }  # fmt: skip
    so_far = "target\nso far\n(B, T)"  # position t holds what was written before step t
    for y, lane, what, blocks, end in ((upper, "The encoder reads", "source\n(B, S)", "encoder.blocks[i]", 6.65),
                                       (lower, "The decoder writes", so_far, "blocks[i]", 8.4)):  # fmt: skip
        ax.text(0.1, y + high + 0.55, lane, fontsize=16, weight="bold", va="center")
        ax.text(0.08, y + high / 2, what, fontsize=13, va="center", linespacing=1.3)
        around: dict[str, Any] = {"fc": "#fafafa", "ec": GREY, "lw": 1.5, "ls": (0, (4, 3)), "zorder": 0}
        rounded(ax, 2.42, y - 0.5, end - 2.42, high + 0.78, **around)
        ax.text(end, y + high + 0.47, f"L × {blocks}", fontsize=13, family=MONO, ha="right", va="center")
    for number, name, code in BOXES:
        x, y, w = places[number]
        mixes = "attention" in name
        words = textwrap.fill(name, int(w / 0.115))
        inside = code.replace("encoder.blocks[i]", "").replace("blocks[i]", "").replace("encoder.", "encoder\n.")
        box(ax, x, y, w, high, words, inside.replace("(", "(\n"), ORANGE if mixes else BLUE, points=13)
        numbered(ax, x + 0.04, y + high - 0.02, number, 0.19, 12.5)
    for y in (upper, lower):
        lane_boxes = [n for n in places if places[n][1] == y]
        arrow(ax, (0.68, y + high / 2), (0.92, y + high / 2))
        for a, b in pairwise(lane_boxes):
            arrow(ax, (places[a][0] + places[a][2], y + high / 2), (places[b][0], y + high / 2))
    for number in (2, 3, 6, 7, 8):
        x, y, w = places[number]
        residual(ax, x - 0.15, x + w + 0.17, y + high / 2, y - 0.25, until=y + high / 2 - 0.13)
        ax.add_patch(Circle((x + w + 0.17, y + high / 2), 0.13, fc="white", ec=INK, lw=1.8, zorder=5))
        ax.text(x + w + 0.17, y + high / 2, "+", fontsize=14, weight="bold", ha="center", va="center", zorder=6)
    x, y, w = places[4]
    into = places[7][0] + places[7][2] / 2
    ax.plot([x + w, 8.75, 8.75, into], [y + high / 2, y + high / 2, 3.42, 3.42], color=INK, lw=2)
    arrow(ax, (into, 3.42), (into, lower + high))
    ax.text(8.9, 3.9, "context (B, S, D):\nwhat was read", fontsize=14, va="center", linespacing=1.25)
    ax.text(11.95, lower - 0.3, "(B, T, vocab_size)", fontsize=13, ha="right", va="center")
    legend(ax, 0.1, 0.4, ORANGE, "mixes tokens")
    legend(ax, 2.35, 0.4, BLUE, "each token alone")
    ax.text(5.2, 0.4, "+: x + box(norm(x));  L blocks;  S source tokens", fontsize=13, family=MONO, va="center")
    return figure
