"""Train a pretrained model again, by one process or, under torchrun, by several."""

import argparse
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "pretrained"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))  # without importing torch


def train(parser: argparse.ArgumentParser) -> None:
    """Train a model by its recipe, as the weights in lecturelib/pretrained were made.

    A training that was interrupted goes on from its last copy when the same command is given again. With
    `torchrun --nproc-per-node 2 -m lecturelib train NAME` two processes share each batch, and train the same.
    """
    parser.add_argument("name", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="fewer or more steps than the recipe says, for a trial")
    parser.add_argument("--batch-size", type=int, help="fewer or more rows in each batch, of all processes together")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to train (cpu)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write (lecturelib/pretrained)")
    parser.add_argument("--keep-every", type=float, default=120.0, metavar="SECONDS", help="between two copies (120)")
    parser.add_argument("--fresh", action="store_true", help="start anew, and remove an unfinished training")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    """Train, and let the first process say how it ended."""
    import torch

    from lecturelib.workshop.train.parallel import joined
    from lecturelib.workshop.train.train import train

    torch.set_num_threads(1)
    how = {key: getattr(given, key) for key in ("seed", "folder", "device", "keep_every", "fresh")}
    changes = {key: getattr(given, key) for key in ("steps", "batch_size") if getattr(given, key) is not None}
    try:
        with joined() as processes:
            made = train(given.name, processes=processes, **how, **changes)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on from the last copy, if there is one") from None
    if processes.first:
        print(*(f"{key}: {value}" for key, value in made.items()), sep="\n")
    return 0
