"""`python -m lecturelib train NAME`: train a model by its recipe, as the weights beside this file were made.

A training that was interrupted goes on when the same command is given again.
`torchrun --nproc-per-node 2 -m lecturelib train NAME` trains the same model by two processes, which share each
batch.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from lecturelib.pretrained.load import FOLDER
from lecturelib.workshop.train.parallel import Processes, joined
from lecturelib.workshop.train.recipes import RECIPES
from lecturelib.workshop.train.train import DEVICES, KEEP_EVERY, train

AGAIN = "the same command goes on from there"


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m lecturelib train", description=__doc__)
    parser.add_argument("name", choices=sorted(RECIPES), help="which model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="fewer or more steps than the recipe says, for a trial")
    parser.add_argument("--batch-size", type=int, help="fewer or more rows in each batch, of all processes together")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process (1 if nothing is said)")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="where to train (cpu if nothing is said)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write (beside this file)")
    parser.add_argument(
        "--keep-every", type=float, default=KEEP_EVERY, metavar="SECONDS", help="time between two copies (120)"
    )
    parser.add_argument("--fresh", action="store_true", help="start anew, and remove an unfinished training")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    try:
        with joined() as processes:
            code = _train(given, processes)
    except (KeyboardInterrupt, ValueError, OSError) as problem:
        code = _ended(problem)
    sys.exit(code)


def _train(given: argparse.Namespace, processes: Processes) -> int:
    """Train, let the first process say how it ended, and return the exit code.

    Raises: what this process alone has met; the others hear of it from torchrun, which ends them.
    """
    changes = {key: getattr(given, key) for key in ("steps", "batch_size") if getattr(given, key) is not None}
    where = {"folder": given.folder, "device": given.device, "keep_every": given.keep_every}
    try:
        made = train(given.name, seed=given.seed, fresh=given.fresh, processes=processes, **where, **changes)
    except (KeyboardInterrupt, ValueError, OSError) as problem:
        if processes.count > 1 and problem is not processes.agreed:
            raise
        return _ended(problem, aloud=processes.first)
    if processes.first:
        for key, value in made.items():
            print(f"{key}: {value}")
    return 0


def _ended(problem: BaseException, aloud: bool = True) -> int:
    """Say how a training ended early, and return the exit code."""
    stopped = isinstance(problem, KeyboardInterrupt)
    if aloud:
        print(f"{str(problem) or 'stopped'}; {AGAIN}" if stopped else problem, file=sys.stderr, flush=True)
    return 130 if stopped else 1  # 130 is what a shell expects of an interrupted command


main()
