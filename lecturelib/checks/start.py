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
)
