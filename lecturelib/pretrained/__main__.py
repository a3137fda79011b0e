"""`python -m lecturelib.pretrained NAME`: train a model by its recipe, as the weights beside this file were made.

A training that was interrupted goes on when the same command is given again.
"""

from __future__ import annotations

import argparse
import sys

import torch

from lecturelib.pretrained.recipes import RECIPES
from lecturelib.pretrained.train import DEVICES, train


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m lecturelib.pretrained", description=__doc__)
    parser.add_argument("name", choices=sorted(RECIPES), help="which model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="fewer or more steps than the recipe says, for a trial")
    parser.add_argument("--threads", type=int, default=1, help="threads of the processor (1 if nothing is said)")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="where to train (cpu if nothing is said)")
    parser.add_argument("--fresh", action="store_true", help="start anew, and remove an unfinished training")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    changes = {} if given.steps is None else {"steps": given.steps}
    try:
        made = train(given.name, seed=given.seed, device=given.device, fresh=given.fresh, **changes)
    except KeyboardInterrupt as stop:
        print(f"{stop or 'stopped'}; the same command goes on from there", file=sys.stderr)
        sys.exit(130)  # what a shell expects of an interrupted command
    except ValueError as problem:
        sys.exit(str(problem))
    for key, value in made.items():
        print(f"{key}: {value}")


main()
