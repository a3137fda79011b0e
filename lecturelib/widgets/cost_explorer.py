"""The cost explorer: choose a network and a text, and see what it costs before you run it."""

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
        for name, value, what in (("rate", rate, "operations a second"), ("memory", memory, "bytes")):
            if not 0 < value < math.inf:
                raise ValueError(f"{name}={value!r}: expected {what}, a finite number above 0")
        self.rate, self.memory, self.machine = rate, memory, machine
        self.mode = toggles([(name, name) for name in MODES], "cost of", button="90px", width="auto")
        self.n, self.D, self.num_layers, self.batch_size = sliders = [
            ipywidgets.SelectionSlider(options=options, value=value, description=name, layout={"width": "330px"},
                                       style={"description_width": "60px"})
            for name, options, value in (("tokens n", LENGTHS, 1024), ("width D", WIDTHS, 512),
                                         ("layers L", LAYERS, 8), ("batch B", BATCHES, 8))
        ]  # fmt: skip
        self.assemble([[self.mode], sliders[:2], sliders[2:]], [self.mode, *sliders])

    def draw(self, figure: Figure) -> None:
        """Draw the present view into a figure."""
        B, n, D, L = self.batch_size.value, self.n.value, self.D.value, self.num_layers.value
        title = f"{MODES[self.mode.value].capitalize()}: n = {n:,}, D = {D:,}, L = {L}, H = {heads_of(D)}, B = {B}"
        machines = {f"{self.machine}, {in_unit(self.memory, BYTES, 2)}": self.memory}
        machines |= {in_unit(card, BYTES): card for card in GRAPHICS_CARDS}
        drawn = view(self.mode.value, n, D, L, B)
        cost_frame(figure, title, drawn.operations, drawn.parts, self.rate, drawn.held, machines)


def heads_of(D: int) -> int:
    """Return how many heads a network of width D gets: 4, and of wide ones D / 64.

    >>> heads_of(128), heads_of(1024)
    (4, 16)
    """
    return max(4, D // 64)


def view(mode: str, n: int, D: int, num_layers: int, batch_size: int) -> View:
    """Return what is drawn in one of the MODES, by the formulas of `scaling`.

    A training step is a forward pass and a backward pass of twice the operations; beside the weights it holds their
    gradients and two moments of Adam.
    """
    B, L, num_heads = batch_size, num_layers, heads_of(D)
    explicit, fused = (block_cost(B, n, D, num_heads, fused=fused) for fused in (False, True))
    looks = 4 * B * D  # operations by which a token looks at one other
    alone = block_cost(B, 1, D, num_heads).flops - looks  # those of a token that looks at none
    weights = FLOAT * L * (12 * D * D + 13 * D)
    if mode == "writing":
        operations = {"transformer": (L * alone, L * n * looks), "LSTM": (L * lstm_cost(B, 1, D, D).flops, 0)}
        state = FLOAT * 2 * L * B * D
        held = {"weights": weights, "KV cache": cache_bytes(B, n, D, L), "state of an LSTM": state}
        return View(operations, ("the token itself", "looking at n tokens"), held)
    lstm = lstm_cost(B, n, D, D)
    times = L * (3 if mode == "training" else 1)
    operations = {
        "transformer": (times * n * alone, times * (explicit.flops - n * alone)),
        "LSTM": (times * lstm.flops, 0),
    }
    if mode == "training":
        held = {
            "weights, gradients, Adam": 4 * weights,
            "kept, explicit": L * explicit.bytes,
            "kept, fused": L * fused.bytes,
            "kept, LSTM": L * lstm.bytes,
        }
    else:
        held = {"weights": weights}
        for name in ("explicit", "fused"):
            held[f"attention layer, {name}"] = attention_cost(B, n, D, num_heads, fused=name == "fused").bytes
    return View(operations, ("grows with n", "grows with n²"), held)
