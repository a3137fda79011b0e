"""One run of one notebook with every seed shifted: a process of its own, so that what hangs or dies is one run only.

python -m lecturelib.workshop.replicate.run NOTEBOOK RUN ROWS SECONDS
"""

import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from lecturelib.workshop import Failed
from lecturelib.workshop.publish.execute import ENVIRONMENT, run

BEGIN = "from lecturelib.workshop.replicate.shift import begin\nbegin({run}, {rows!r})"


def main(notebook: str, number: str, rows: str, seconds: str) -> int:
    """Run the notebook, whose claims and outcomes go to the file `rows`; return 1, with a reason, if it stops."""
    path = Path(notebook)
    nb = nbformat.read(path, as_version=4)
    nb.cells.insert(0, new_code_cell(BEGIN.format(run=int(number), rows=rows), id="shift"))
    try:
        run(nb, path.parent, path.stem, int(seconds), ENVIRONMENT | {"LECTURELIB_STRICT": "0"})
    except Failed as failure:
        print(str(failure).strip(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
