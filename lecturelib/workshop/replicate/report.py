"""How each claim fared in the runs with other seeds: as lines for a terminal, and as a page of the site."""

from pathlib import Path

import nbformat

from lecturelib.workshop.replicate import table as tables

ABOUT = """# How often it comes out

A result that one seed shows may be the luck of that seed. So every notebook was run again with every seed shifted:
the start of each network, the order of its examples, and the data that are drawn. The table says in how many of these
runs each claim held, and the mean and the standard deviation of the value that it compares. Exact facts, such as
being equal to torch, have no value. The weights of networks that come with the course stay the same in all runs: what
is claimed of one of them is claimed of that network.
"""


def report(paths: list[Path]) -> int:
    """Print for each notebook how often each claim held; return 1 if one held too rarely, or a table is missing."""
    poor = 0
    for path in paths:
        nb, table = nbformat.read(path, as_version=4), tables.read(tables.place(path.stem))
        if table["cells"] != tables.digests(nb):
            print(f"{path.stem}: no runs of the notebook as it is now")
            poor += 1
            continue
        failed = {number: run["failed"] for number, run in table["runs"].items() if run["failed"]}
        seconds = sum(run["seconds"] for run in table["runs"].values())
        print(f"{path.stem}: {len(table['runs'])} runs, {seconds / 60:.0f} minutes")
        for number, reason in failed.items():
            print(f"  run {number} stopped: {reason}")
        for each in tables.summaries(nb, table):
            spread = "" if each.claim.exact else f"{each.mean:8.3g} ± {each.spread:<8.2g}"
            print(f"  {each.held:>2} of {each.runs:<2} {spread:19} {each.remark:16} {each.claim.sentence}")
            poor += each.held < tables.ENOUGH * each.runs
        for right, held, runs in tables.choices(nb, table):
            print(f"  {held:>2} of {runs:<2} {'':19} {'':16} right choice: {right}")
            poor += held < tables.ENOUGH * runs
    return int(poor > 0)


def page(paths: list[Path]) -> str:
    """Return the page of the site, in Markdown: a table for each notebook that was run with other seeds."""
    parts = [ABOUT]
    for path in paths:
        nb, table = nbformat.read(path, as_version=4), tables.read(tables.place(path.stem))
        if table["cells"] != tables.digests(nb):
            continue
        title = path.stem.replace("_", " ").capitalize()
        rows = ["| claim | value | bound | held |", "| --- | --- | --- | --- |"]
        for each in tables.summaries(nb, table):
            value = "exact" if each.claim.exact else f"{each.mean:.3g} ± {each.spread:.2g}"
            sentence = each.claim.sentence.replace("|", "\\|")
            rows.append(f"| {sentence} | {value} | {_bound(each.claim)} | {each.held} of {each.runs} |")
        for right, held, runs in tables.choices(nb, table):
            rows.append(f"| right choice of a prediction: {right} | | | {held} of {runs} |")
        parts.append("\n".join([f"## [{title}]({path.name})", "", *rows, ""]))
    return "\n".join(parts)


def _bound(claim: tables.Claim) -> str:
    if claim.low is not None and claim.high is not None:
        return f"{claim.low:g} to {claim.high:g}"
    return "" if claim.exact else f"over {claim.low:g}" if claim.low is not None else f"under {claim.high:g}"
