"""The warm-up exercise of notebook 00."""

from __future__ import annotations

from collections import Counter

from lecturelib.checks.exercise import Exercise, Mistake

LABELS = ([1, 0, 0, 1, 0, 0, 0], [2, 2, 1, 0, 2], [0, 1, 1, 1, 1, 1, 0, 1, 1], [3, 3, 3, 1])


def _share(labels: list[int], count: float) -> float:
    return count / len(labels)


check_baseline = Exercise(
    name="baseline",
    reference=lambda labels: _share(labels, max(Counter(labels).values())),
    probes=[(labels,) for labels in LABELS],
    mistakes=[
        Mistake(
            "counts, no share",
            "You return how many labels are the most common one. What share of all labels is that?",
            lambda labels: max(Counter(labels).values()),
        ),
        Mistake(
            "one over the number of classes",
            "That is the score of guessing at random when all classes are equally frequent. Here they are not: which "
            "single answer would you give every time?",
            lambda labels: 1 / len(set(labels)),
        ),
        Mistake(
            "the rarest label",
            "That is the share of the rarest label. Which label would you rather bet on?",
            lambda labels: _share(labels, min(Counter(labels).values())),
        ),
        Mistake(
            "the label, not its share",
            "You return the most common label itself. The score is the share of the labels that equal it.",
            lambda labels: Counter(labels).most_common(1)[0][0],
        ),
        Mistake(
            "the share of ones",
            "That is the share of the label 1. The most common label may be another one.",
            lambda labels: _share(labels, labels.count(1)),
        ),
        Mistake(
            "the largest label",
            "You take the largest label, as in max(labels). Most common is about how often, not how large.",
            lambda labels: _share(labels, labels.count(max(labels))),
        ),
    ],
    hint_texts=[
        "If you must give the same answer every time, which answer is right most often?",
        "Count each label (labels.count(k) for each k in set(labels)), take the largest count, divide by len(labels).",
    ],
    right="Every accuracy in this course stands beside this number.",
)
