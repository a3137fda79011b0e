"""The exercises of notebook 07: a start from a masked autoencoder, a stranger's experiment, letters like digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lecturelib.checks.exercise import Exercise, Sized, named_lines, normal, untouched

Tensor = torch.Tensor
Weights = dict[str, Tensor]

# ---- start from a part of a masked autoencoder ----

Start = Callable[[Weights, Weights], Any]
_PART = "encoder."


def _found(mae: Weights, key: str) -> Tensor | None:
    """Of the masked autoencoder, the encoder's tensor of this name; none for the head."""
    return None if key.startswith("head.") else mae.get(_PART + key)


def _copied(pick: Callable[[Weights, str], Tensor | None], clone: bool = True) -> Start:
    """A new state dict: key by key what `pick` finds in the masked autoencoder, or else the target's own."""

    def start(mae: Weights, target: Weights) -> Weights:
        chosen = {key: (own if (found := pick(mae, key)) is None else found) for key, own in target.items()}
        return {key: each.clone() for key, each in chosen.items()} if clone else chosen

    return start


def _by_ending(mae: Weights, key: str) -> Tensor | None:
    return next((each for name, each in reversed(mae.items()) if name.endswith(key) and "head" not in key), None)


def _stripped(mae: Weights) -> Weights:
    return {key.removeprefix(_PART): each.clone() for key, each in mae.items()}


def _states(classes: int, d: int, kind: int) -> tuple[Weights, Weights]:
    """The state dicts of a masked autoencoder, whose encoder has a head in kind 2, and of a network with a head."""
    names = {"patch_embed.weight": (d,), "norm.weight": (d,)}
    head = {"head.weight": (classes, d), "head.bias": (classes,)}
    inside = {_PART + name: shape for name, shape in (names | (head if kind == 2 else {})).items()}
    mae = {"mask_token": (d,), **inside, "decoder_norm.weight": (d,)}
    target = names | head
    drawn = normal(kind, *mae.values(), *target.values())
    return dict(zip(mae, drawn, strict=False)), dict(zip(target, drawn[len(mae) :], strict=True))


check_start = Exercise(
    name="start from a part",
    reference=_copied(_found),
    probes=Sized(_states, [(5, 3, 1), (2, 5, 2)]),
    view=untouched(_copied(_found)),
    imitations={
        "names do not match": (
            _copied(lambda mae, key: mae.get(key)),
            lambda mae, target: {key: each.clone() for key, each in target.items()},
        ),
        "prefix kept": lambda mae, target: {
            key: each.clone() for key, each in (target | {k: v for k, v in mae.items() if k.startswith(_PART)}).items()
        },
        "decoder too": lambda mae, target: {
            key: each.clone() for key, each in (_stripped(mae) | {k: target[k] for k in target if "head" in k}).items()
        },
        "by the ending": _copied(_by_ending),
        "head missing": lambda mae, target: {
            key: each.clone() for key in target if (each := _found(mae, key)) is not None
        },
        "head copied too": _copied(lambda mae, key: mae.get(_PART + key)),
        "written in place": lambda mae, target: target.update(_copied(_found)(mae, target)) or target,
        "shared memory": (
            _copied(_found, clone=False),
            lambda mae, target: (
                target | {key: each.clone() for key in target if (each := _found(mae, key)) is not None}
            ),
        ),
    },
    says="""
        names do not match: Nothing of the autoencoder came over. Its names begin with "encoder.", the network's do not.
            (load_state_dict(..., strict=False) would skip them all without a word.)
        prefix kept: Your names still begin with "encoder.". What is the same weight called in the network?
        decoder too: Weights of the decoder, or the mask token, are in your state dict. The network has no place for
            them.
        by the ending: You match names by their ending. The decoder has a norm too: whose did you take?
        head missing: The head is missing. The autoencoder has none, but the network needs one.
        head copied too: This encoder came with a head of its own, for other classes, and you copied it.
        written in place: The values are right, but you wrote them into the target that you were given to read.
        shared memory: The values are right, but they share memory with the autoencoder or the target. Training your
            network would change those.
        right: The encoder came over, the decoder stayed behind, and the head is the target's.
        hint 1: Go through the names of the target. Which name does the same weight have in the autoencoder? What if it
            has none there?
        hint 2: For each key of the target: mae["encoder." + key] if that exists and the key is not the head's, else
            target[key]; and .clone() of either.
    """,
)

# ---- somebody's experiment ----

check_experiment = Exercise(
    name="somebody's experiment",
    reference=lambda code: "A and D",
    probes=[("experiment",)],
    accept=named_lines("ABCDEFGH", bad="AD", example="BC"),
    imitations={
        "line B": ("B", "AB", "BAD"),
        "line C": ("C", "CD", "ACD"),
        "line E": ("E", "DE", "ADE"),
        "line F": ("F", "AF", "ADF"),
        "line G": ("G", "DG", "ADG"),
        "line H": ("H", "AH", "ADH"),
        "A alone": "A",
        "D alone": "D",
        "none": "",
    },
    says="""
        line B: You named line B. It takes the images and the labels of the same rows, as it should.
        line C: You named line C. A network with random weights by the seed is a fair place to copy weights into.
        line E: You named line E. The same encoder reads both sets of images, and no label of the test is touched.
        line F: You named line F. Mean and deviation come from the labeled digits alone, not from the test.
        line G: You named line G. This is the probe of section 1: standardized features, and the labels that were drawn.
        line H: You named line H. The test features are standardized by the same numbers, and scored once.
        A alone: One of the two is found. The third printed line says that no weight of the autoencoder arrived. Which
            line should have brought them, and what did it do instead of complaining?
        D alone: One of the two is found. The second printed line says that all seeds have the same digits. Then their
            spread leaves out the luck of the draw.
        none: The second and the third printed line both speak of a fault.
        right: Line A draws by seed 0 whatever the seed, so the spread of the runs leaves out the draw of the labels. In
            line D no name matches ("encoder." stands before the autoencoder's), and strict=False hides it.
        hint 1: Take the printed lines one by one. In which line is the draw made? Which line should bring the weights?
        hint 2: Which variable says the seed, and is it used where the labels are drawn? What are the first few names
            of mae.state_dict(), and of model.state_dict()?
    """,
)

# ---- letters like digits ----


def _read_leads(answer: Any) -> Callable[[str], Any]:
    """What two leads over pixels, for letters unlike digits and like them, say in words."""
    if answer is ... or (isinstance(answer, tuple | list) and any(each is ... for each in answer)):
        return lambda source: ...
    try:
        unlike, like = (float(each) for each in answer)
    except (TypeError, ValueError):
        return lambda source: f"no list of two numbers, but {answer!r}"
    if max(abs(unlike), abs(like)) > 1:
        return lambda source: "points"
    if unlike == like:
        return lambda source: "the same twice"
    if like - unlike > 0.05:
        return lambda source: "mostly letters like digits" if like > 0.03 else "no lead"
    return lambda source: "exchanged" if unlike - like > 0.05 else "alike"


check_leads = Exercise(
    name="letters like digits",
    reference=lambda source: "mostly letters like digits",
    probes=[("print",)],
    accept=_read_leads,
    imitations={
        "exchanged": [0.17, 0.02],
        "alike": [0.1, 0.11],
        "the same twice": [0.02, 0.02],
        "points": [2.4, 17.1],
        "no lead": [-0.09, -0.01],
        "no list of two numbers, but 0.17": 0.17,
    },
    says="""
        exchanged: In your list the lead is larger for letters unlike digits. Which of the two came first?
        alike: Your two leads are alike. Did the cell run with both alphabets, ten letters each?
        the same twice: Your two numbers are equal. Did the cell run again after you changed the alphabet?
        points: Write shares, such as 0.17, and not points.
        no lead: In your list print leads on neither alphabet. Is it the probe minus the pixels?
        no list of two numbers, but 0.17: One number is there. Write two, in brackets: unlike digits, then like digits.
        right: Print helps most where a letter looks like a digit. Letters share no class with the source, but Z and 2,
            S and 5, or B and 8 need nearly the same features. Ask of a source what it had to tell apart.
        hint 1: Run the cell twice, once with each alphabet. Each time it prints one lead.
        hint 2: leads_found = [..., ...] in this order: AEHKMNVWXY, then BDGILOQSTZ.
    """,
)
