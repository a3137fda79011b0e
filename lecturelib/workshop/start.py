"""Open the course, or try with one of its notebooks whether this machine shows what it should."""

import argparse
import os
import sys
import time
from pathlib import Path

from lecturelib.workshop import Failed, lab, notebooks

TIMEOUT = 600  # seconds for a cell, also on a slow machine
CLAIM = "Claim "  # how the line of a claim begins: "Claim holds: ..." or "Claim does not hold in this run: ..."
# The highest memory of this process alone, in bytes. getrusage of Linux would count that of its parent as well.
PEAK = """import re, sys
from pathlib import Path
status = Path("/proc/self/status")
if status.exists():
    print(int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) * 1024)
elif sys.platform == "win32":
    import psutil
    print(psutil.Process().memory_info().peak_wset)
else:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"""


def start(parser: argparse.ArgumentParser) -> None:
    """Open the course in JupyterLab, or try this machine with one of its notebooks.

    JupyterLab listens on this machine alone (127.0.0.1), behind a token. Its address is printed, for
    where no browser opens by itself. Other options, such as --no-browser or --port=9999, go to it.
    """
    parser.add_argument("notebook", nargs="?", default="00", metavar="NOTEBOOK", help="such as 03 or 03_attention (00)")
    parser.add_argument(
        "--check",
        action="store_true",
        help="run the notebook without a browser, and print its claims, its seconds and its memory",
    )
    parser.set_defaults(run=_start, others=True)


def _start(given: argparse.Namespace) -> int:
    folder = notebooks.folder()
    path = notebooks.find(given.notebook, folder)
    if given.check:
        if given.others:
            raise ValueError(f"unknown arguments: {' '.join(given.others)}")
        return check(path)
    root = folder.parent if folder.name == "notebooks" else folder  # links lead out of the folder notebooks/
    address = f"/lab/tree/{path.relative_to(root).as_posix()}"
    return lab.run(lab.command(root, address, given.others), os.environ, address)


def check(path: Path) -> int:
    """Run a notebook as its reader would; print its claims, its seconds and its peak of memory.

    Raises: Failed where a claim does not hold, and for a cell that raises an error, takes too long, or ends its kernel.
    """
    import nbformat
    from nbformat.v4 import new_code_cell
    from tqdm import tqdm

    from lecturelib.workshop.publish.execute import execute

    nb = nbformat.read(path, as_version=4)
    nb.cells.append(new_code_cell(PEAK, id="memory"))
    said: list[str] = []

    def show(cell: nbformat.NotebookNode) -> None:
        outputs = [output.text for output in cell.get("outputs", ()) if output.get("name") == "stdout"]
        for line in "".join(outputs).splitlines():
            if line.startswith(CLAIM):
                said.append(line)
                tqdm.write(line, file=sys.stdout)

    began = time.monotonic()
    done = execute(nb, path.parent, path.stem, TIMEOUT, {"LECTURELIB_STRICT": "0"}, show)
    peak = int(done.cells[-1].outputs[0].text)
    failed = sum(not line.startswith(f"{CLAIM}holds") for line in said)
    print(
        f"{path.stem}: {len(said) - failed} of {len(said)} claims hold, in {time.monotonic() - began:.0f} s with "
        f"{peak / 1e6:.0f} MB of memory"
    )
    if failed:
        raise Failed(f"{failed} of {len(said)} claims do not hold on this machine")
    return 0
