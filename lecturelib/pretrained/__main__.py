"""`python -m lecturelib.pretrained NAME`: train a model by its recipe, as the weights beside this file were made."""

from __future__ import annotations

import argparse

import torch

from lecturelib.pretrained.recipes import RECIPES
from lecturelib.pretrained.train import train


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m lecturelib.pretrained", description=__doc__)
    parser.add_argument("name", choices=sorted(RECIPES), help="which model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="fewer or more steps than the recipe says, for a trial")
    parser.add_argument("--threads", type=int, default=1, help="threads of the processor (1 if nothing is said)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    changes = {} if arguments.steps is None else {"steps": arguments.steps}
    for key, value in train(arguments.name, seed=arguments.seed, **changes).items():
        print(f"{key}: {value}")


main()
