"""Print all tables of costs, one after the other: python -m tests.benchmarks.

steps       a training step beside those of other libraries
growth      how its cost grows with tokens, batch and width
heatmap     the time to a trained heatmap, from a cold kernel
notebooks   what each notebook costs

Each is a command of its own too, such as `python -m tests.benchmarks.steps`. How fast the widgets answer,
`python -m tests.benchmarks.widgets` says: it needs a browser.
"""

import sys

from tests.benchmarks import growth, heatmap, notebooks, steps

TABLES = {"steps": steps, "growth": growth, "heatmap": heatmap, "notebooks": notebooks}


def main() -> None:
    """Print every table, or those whose names are given."""
    names = sys.argv[1:] or list(TABLES)
    if unknown := [name for name in names if name not in TABLES]:
        sys.exit(f"there is no table {', '.join(unknown)}: expected some of {', '.join(TABLES)}")
    for name in names:
        print(f"\n==== {name} ====", flush=True)
        TABLES[name].main([])


if __name__ == "__main__":
    main()
