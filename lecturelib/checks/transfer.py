"""The exercises of notebook 07: a start from a masked autoencoder, a stranger's experiment, letters like digits."""

import copy
from functools import partial
from typing import Any

import torch

from lecturelib.checks.exercise import Exercise, Sized, named_lines, normal, untouched

Tensor = torch.Tensor
Weights = dict[str, Tensor]

# ---- start from a part of a masked autoencoder ----


def _start(mae: Weights, target: Weights) -> Weights:
    new = {}
    for key, own in target.items():
        found = None if key.startswith("head.") else mae.get("encoder." + key)
        new[key] = (own if found is None else found).clone()
    return new


def _prefix_kept(mae: Weights, target: Weights) -> Weights:
    return copy.deepcopy(target | {key: each for key, each in mae.items() if key.startswith("encoder.")})


def _decoder_too(mae: Weights, target: Weights) -> Weights:
    head = {key: each for key, each in target.items() if key.startswith("head.")}
    return copy.deepcopy({key.removeprefix("encoder."): each for key, each in mae.items()} | head)


def _states(classes: int, d: int, kind: int) -> tuple[Weights, Weights]:
    """The state dicts of a masked autoencoder, whose encoder has a head in kind 2, and of a network with a head."""
    names = {"patch_embed.weight": (d,), "norm.weight": (d,)}
    head = {"head.weight": (classes, d), "head.bias": (classes,)}
    inside = {"encoder." + name: shape for name, shape in (names | (head if kind == 2 else {})).items()}
    mae = {"mask_token": (d,), **inside, "decoder_norm.weight": (d,)}
    target = names | head
    drawn = normal(kind, *mae.values(), *target.values())
    return dict(zip(mae, drawn, strict=False)), dict(zip(target, drawn[len(mae) :], strict=True))


check_start = Exercise(
    name="start from a part",
    reference=_start,
    probes=Sized(_states, [(5, 3, 1), (2, 5, 2)]),
    view=partial(untouched, reference=_start, written="written in place", shared="shared memory"),
    solution=_start,
    imitations={
        "names do not match": '"encoder." + key => key',
        "prefix kept": _prefix_kept,
        "decoder too": _decoder_too,
        "by the ending": 'mae.get("encoder." + key) => [each for name, each in mae.items() if name.endswith(key)][-1]',
        "head missing": "new[key] = => if found is not None: new[key] =",
        "head copied too": 'None if key.startswith("head.") else mae => mae',
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
    reference=lambda: "A and D",
    read=lambda answer: named_lines(answer, "ABCDEFGH", bad="AD", example="BC"),
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


def _read_leads(answer: Any) -> str:
    """What two leads over pixels, for letters unlike digits and like them, say."""
    try:
        unlike, like = (float(each) for each in answer)
    except (TypeError, ValueError):
        return "one number" if isinstance(answer, int | float) else f"no list of two numbers, but {answer!r}"
    if max(abs(unlike), abs(like)) > 1:
        return "points"
    if unlike == like:
        return "the same twice"
    if like - unlike > 0.05:
        return "mostly letters like digits" if like > 0.03 else "no lead"
    return "exchanged" if unlike - like > 0.05 else "alike"


check_leads = Exercise(
    name="letters like digits",
    reference=lambda: "mostly letters like digits",
    read=_read_leads,
    says="""
        exchanged: In your list the lead is larger for letters unlike digits. Which of the two came first?
        alike: Your two leads are alike. Did the cell run with both alphabets, ten letters each?
        the same twice: Your two numbers are equal. Did the cell run again after you changed the alphabet?
        points: Write shares, such as 0.17, and not points.
        no lead: In your list print leads on neither alphabet. Is it the probe minus the pixels?
        one number: One number is there. Write two, in brackets: unlike digits, then like digits.
        right: Print helps most where a letter looks like a digit. Letters share no class with the source, but Z and 2,
            S and 5, or B and 8 need nearly the same features. Ask of a source what it had to tell apart.
        hint 1: Run the cell twice, once with each alphabet. Each time it prints one lead.
        hint 2: leads_found = [..., ...] in this order: AEHKMNVWXY, then BDGILOQSTZ.
    """,
)
