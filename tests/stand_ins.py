"""Which stand-in runs which notebook with trainings cut short: each runs in one of them, and in full under nbval.

There a cell that is cheap is run again, too: readers are told to change things, and run one cell after Run All.

Dealt out in turn, so that each has about half of the work, and the first notebook, by whose button readers of Colab
come, is Colab's.
"""

from tests.working_tree import ROOT

NOTEBOOKS = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
ON_COLAB, IN_JUPYTERLAB = NOTEBOOKS[::2], NOTEBOOKS[1::2]

STEPS = 50  # of each training: as many as there are looks at the loss in a longer one
# 01 reads an automaton off its network, which has to have learned one; less is refused in words
FULL = {"01_recurrent_networks": 100_000}

# cells, and in the middle four that do not say the same when they are run again after the last
UNLIKE = [
    "import random\nimport torch\nx, drawn = 1, random.Random(0)",
    "print(x)",
    "x + 1",
    "drawn.random()",
    "torch.rand(1)",
    "print('fine')",
    "x = 'reused'",
]
