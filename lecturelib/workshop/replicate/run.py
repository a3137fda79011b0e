"""One run of one notebook with every seed shifted: a process of its own, so that what hangs or dies is one run only.

python -m lecturelib.workshop.replicate.run NOTEBOOK FOLDER RUN ROWS SECONDS
"""

import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from lecturelib.workshop.publish.execute import ENVIRONMENT, CellFailed, KernelLost, execute

BEGIN = "from lecturelib.workshop.replicate.shift import begin\nbegin({run}, {rows!r})"
FAILED = 3  # the exit status where a cell raised an error; any other but 0 says nothing of the notebook


def main(notebook: str, folder: str, number: str, rows: str, seconds: str) -> int:
    """Run the notebook in a folder; its claims and outcomes go to the file `rows`.

    Returns: FAILED, with a reason, where a cell fails, and 1 where the kernel is lost, as where anything else fails.
    """
    nb = nbformat.read(notebook, as_version=4)
    nb.cells.insert(0, new_code_cell(BEGIN.format(run=int(number), rows=rows), id="shift"))
    try:
        execute(nb, Path(folder), Path(notebook).stem, int(seconds), ENVIRONMENT | {"LECTURELIB_STRICT": "0"})
    except CellFailed as failure:
        print(str(failure).strip(), file=sys.stderr)
        return 1 if isinstance(failure, KernelLost) else FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
