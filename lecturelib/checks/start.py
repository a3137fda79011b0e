"""The warm-up exercise of notebook 00."""

from collections import Counter

from lecturelib.checks.exercise import Exercise

LABELS = ([0, 1, 0], [1, 0, 0, 1, 0, 0, 0], [2, 2, 1, 0, 2], [0, 1, 1, 1, 1, 1, 0, 1, 1], [3, 3, 3, 1])


check_baseline = Exercise(
    name="baseline",
    reference=lambda labels: max(Counter(labels).values()) / len(labels),
    probes=[(labels,) for labels in LABELS],
    imitations={
        "the share of zeros": (
            lambda labels: labels.count(0) / len(labels),
            lambda labels: 1 - sum(labels) / len(labels),
        ),
        "counts, no share": lambda labels: max(Counter(labels).values()),
        "one over the number of classes": lambda labels: 1 / len(set(labels)),
        "the rarest label": lambda labels: min(Counter(labels).values()) / len(labels),
        "the label, not its share": lambda labels: Counter(labels).most_common(1)[0][0],
        "the share of ones": (lambda labels: labels.count(1) / len(labels), lambda labels: sum(labels) / len(labels)),
        "the largest label": lambda labels: labels.count(max(labels)) / len(labels),
    },
    says="""
        the share of zeros: For labels 0 and 1 this is the share of 0. But the most common label may be another one.
        counts, no share: You return how many labels are the most common one. What share of all labels is that?
        one over the number of classes: That is the score of guessing at random when all classes are equally frequent.
            Here they are not: which single answer would you give every time?
        the rarest label: That is the share of the rarest label. Which label would you rather bet on?
        the label, not its share: You return the most common label. The score is the share that equals it.
        the share of ones: For labels 0 and 1 this is the share of 1. But the most common label may be another one.
        the largest label: You take the largest label, as in max(labels). Most common is about how often, not how large.
        right: Compare every accuracy with this number.
        hint 1: If you must give the same answer every time, which answer is right most often?
        hint 2: Count each label (labels.count(k) for each k in set(labels)), take the largest count, divide by
            len(labels).
    """,
)
