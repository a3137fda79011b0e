"""The cost explorer: choose a network and a text, and see what it costs before you run it."""

from __future__ import annotations

import math
from typing import NamedTuple

import ipywidgets
from matplotlib.figure import Figure

from lecturelib.figures.cost_explorer import cost_frame
from lecturelib.figures.units import BYTES, in_unit
from lecturelib.kv_cache import cache_bytes
from lecturelib.scaling import FLOAT, attention_cost, block_cost, lstm_cost
from lecturelib.widgets.picture import Drawn, toggles

MODES = {"training": "one training step", "reading": "reading a text", "writing": "one more token"}
LENGTHS, WIDTHS, BATCHES = ([2**k for k in range(*ends)] for ends in ((4, 17), (5, 14), (0, 7)))
LAYERS = [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96]
GRAPHICS_CARDS = (24e9, 80e9)  # bytes: a card for one person, a card of a computing center


class View(NamedTuple):
    """What is drawn: operations of each network in two parts, what the parts are called, and bytes by name."""

    operations: dict[str, tuple[int, int]]
    parts: tuple[str, str]
    held: dict[str, int]


class CostExplorer(Drawn):
    """Show operations and bytes of a transformer, and of an LSTM with as many layers, for sizes of your choice.

    `rate` is how many operations a second a machine does (measured by a matrix product), `memory` its bytes, and
    `machine` its name.
    Embedding and output layer are left out. There are 4 heads, from D = 512 on D / 64.
    Raises: ValueError for a rate or a memory that is not a finite number above 0.
    """

    says = "operations, seconds and bytes of a transformer and of an LSTM, for a length, width and depth of your choice"
    size = (12, 5.2)

    def __init__(self, rate: float = 35e9, memory: float = 2e9, machine: str = "this machine") -> None:
        for name, value in (("rate", rate), ("memory", memory)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                what = "operations a second" if name == "rate" else "bytes"
                raise ValueError(f"{name}={value!r}: expected {what}, a finite number above 0")
        self.rate, self.memory, self.machine = float(rate), float(memory), machine
        self.mode = toggles([(name, name) for name in MODES], "cost of", button="90px", width="auto")
        self.n, self.D, self.num_layers, self.batch_size = sliders = [
            ipywidgets.SelectionSlider(options=options, value=value, description=name, layout={"width": "330px"},
                                       style={"description_width": "60px"})
            for name, options, value in (("tokens n", LENGTHS, 1024), ("width D", WIDTHS, 512),
                                         ("layers L", LAYERS, 8), ("batch B", BATCHES, 8))
        ]  # fmt: skip
        self.assemble([[self.mode], sliders[:2], sliders[2:]], [self.mode, *sliders])

    def view(self) -> View:
        """Return what is drawn now."""
        D = self.D.value
        sizes = (self.n.value, D, self.num_layers.value, self.batch_size.value)
        return view(self.mode.value, numbers(*sizes, heads_of(D)))

    def draw(self, figure: Figure) -> None:
        """Draw the present view into a figure."""
        B, n, D, L = self.batch_size.value, self.n.value, self.D.value, self.num_layers.value
        title = f"{MODES[self.mode.value].capitalize()}: n = {n:,}, D = {D:,}, L = {L}, H = {heads_of(D)}, B = {B}"
        machines = {f"{self.machine}, {in_unit(self.memory, BYTES, 2)}": self.memory}
        machines |= {in_unit(card, BYTES): card for card in GRAPHICS_CARDS}
        drawn = self.view()
        cost_frame(figure, title, drawn.operations, drawn.parts, self.rate, drawn.held, machines)


def heads_of(D: int) -> int:
    """Return how many heads a network of width D gets: 4, and of wide ones D / 64.

    >>> heads_of(128), heads_of(1024)
    (4, 16)
    """
    return max(4, D // 64)


def numbers(n: int, D: int, num_layers: int, batch_size: int, num_heads: int) -> dict[str, int]:
    """Return the costs of a network, by the formulas of `scaling`.

    Operations of a forward pass: "block linear" and "block square" (in n), "lstm"; those of one more token at place
    n: "token", "token looks" (its scores and mix), "token lstm". Bytes: "weights", "lstm weights"; "kept explicit",
    "kept fused" and "kept lstm" for the backward pass; "layer explicit" and "layer fused", what one layer of attention
    holds; "cache" of keys and values, and the "state" that an LSTM has instead.
    Raises: ValueError for a number that is not whole, or below 1, and a width that the heads do not divide.
    """
    explicit, fused = (block_cost(batch_size, n, D, num_heads, fused=fused) for fused in (False, True))
    lstm, lstm_token = lstm_cost(batch_size, n, D, D), lstm_cost(batch_size, 1, D, D)
    one = block_cost(batch_size, 1, D, num_heads)
    cache = cache_bytes(batch_size, n, D, num_layers)
    look = 4 * batch_size * D  # operations by which a token looks at one other
    return {
        "block linear": num_layers * n * (one.flops - look),
        "block square": num_layers * (explicit.flops - n * (one.flops - look)),
        "lstm": num_layers * lstm.flops,
        "token": num_layers * (one.flops - look),
        "token looks": num_layers * n * look,
        "token lstm": num_layers * lstm_token.flops,
        "weights": FLOAT * num_layers * (12 * D * D + 13 * D),
        "lstm weights": FLOAT * num_layers * (8 * D * D + 8 * D),
        "kept explicit": num_layers * explicit.bytes,
        "kept fused": num_layers * fused.bytes,
        "kept lstm": num_layers * lstm.bytes,
        "layer explicit": attention_cost(batch_size, n, D, num_heads, fused=False).bytes,
        "layer fused": attention_cost(batch_size, n, D, num_heads, fused=True).bytes,
        "cache": cache,
        "state": FLOAT * 2 * num_layers * batch_size * D,
    }


def view(mode: str, costs: dict[str, int]) -> View:
    """Return what is drawn of these `numbers` in one of the MODES.

    A training step is a forward pass and a backward pass of twice the operations; beside the weights it holds their
    gradients and two moments of Adam.
    """
    if mode == "writing":
        operations = {"transformer": (costs["token"], costs["token looks"]), "LSTM": (costs["token lstm"], 0)}
        held = {"weights": costs["weights"], "KV cache": costs["cache"], "state of an LSTM": costs["state"]}
        return View(operations, ("the token itself", "looking at n tokens"), held)
    times = 3 if mode == "training" else 1
    operations = {
        "transformer": (times * costs["block linear"], times * costs["block square"]),
        "LSTM": (times * costs["lstm"], 0),
    }
    if mode == "training":
        held = {
            "weights, gradients, Adam": 4 * costs["weights"],
            "kept, explicit": costs["kept explicit"],
            "kept, fused": costs["kept fused"],
            "kept, LSTM": costs["kept lstm"],
        }
    else:
        held = {
            "weights": costs["weights"],
            "attention layer, explicit": costs["layer explicit"],
            "attention layer, fused": costs["layer fused"],
        }
    return View(operations, ("grows with n", "grows with n²"), held)
