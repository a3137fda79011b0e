"""Train one model by several processes, each on its share of every batch (data parallel, under `torchrun`).

joined      join the processes that torchrun started
Processes   one of them: its share of a batch and of dropout, and the mean of all gradients
ALONE       the one process of a training without torchrun

Every process draws the same global batch and takes its own rows; DistributedDataParallel averages the gradients. Where
a recipe's loss is a plain mean over rows, the mean of the shares' gradients is the gradient of the whole batch, so that
two processes do what one does, dropout included, up to the order in which floating-point numbers are added.
How much that rounding becomes: after 100 steps of digits_mae weights differ by 4e-7. Two things enlarge it. The bias of
a key in attention has no gradient but rounding, which Adam makes as large as any other (4e-5); it changes no output.
Muon computes in 16 bits (8e-4 after 3 steps of photos_mae). The losses along the way are the same to three digits.

A process that fails waits for nobody: torchrun ends the others.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

Batch = tuple[torch.Tensor, ...]
Loss = Callable[[nn.Module, Batch], torch.Tensor]


@dataclass(frozen=True)
class Processes:
    """One of the `count` processes that train a model together; the one of rank 0 alone prints and writes."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0  # on its own machine: the number of its GPU

    @property
    def first(self) -> bool:
        """Whether this process prints and writes."""
        return self.rank == 0

    def told(self, said: bytes | None) -> bytes | None:
        """Return what the first process says, in all of them: another machine may not see its files."""
        heard = [said]
        if self.count > 1:
            dist.broadcast_object_list(heard)
        return heard[0]

    def mean(self, number: float) -> float:
        """Return the mean of a number over all processes."""
        if self.count == 1:
            return number
        summed = torch.tensor(number, dtype=torch.float64)  # on the CPU, by gloo, wherever the model is
        dist.all_reduce(summed)
        return summed.item() / self.count

    def check(self, batch: int, device: str) -> None:
        """Refuse what these processes cannot share.

        Raises: ValueError for a batch that cannot be divided among them, and fewer GPUs than processes.
        """
        if batch % self.count:
            raise ValueError(
                f"a batch of {batch} cannot be divided among {self.count} processes: expected equal shares; start "
                f"another number with --nproc-per-node, or give --batch-size {batch + -batch % self.count}"
            )
        if device == "cuda" and self.local_rank >= torch.cuda.device_count():
            raise ValueError(
                f"process {self.local_rank} of a machine with {torch.cuda.device_count()} GPU(s): expected one GPU for "
                f"each; start at most {torch.cuda.device_count()} with --nproc-per-node"
            )

    def share(self, batch: Batch) -> Batch:
        """Return the own rows of a global batch: the first process takes the first, and so on."""
        return tuple(each.chunk(self.count)[self.rank] for each in batch)

    def dropout(self, x: torch.Tensor, share: float) -> torch.Tensor:
        """Drop from the own rows what one process would drop of the global batch.

        Each process draws the mask of all rows and keeps its own. So all of them use up the same random numbers, as one
        process does.
        """
        everywhere = F.dropout(x.new_ones(len(x) * self.count, *x.shape[1:]), share)  # 0 or 1 / (1 - share)
        return x * everywhere.chunk(self.count)[self.rank]

    def averaged(self, model: nn.Module, loss: Loss, device: str) -> Callable[[Batch], torch.Tensor]:
        """Return the function that gives the loss of a share, and whose backward pass averages all shares' gradients.

        The weights of the first process become those of all.
        """
        if self.count == 1:
            return lambda batch: loss(model, batch)
        group = dist.new_group(backend="nccl") if device == "cuda" else None  # None: the group of all, by gloo
        parallel = DistributedDataParallel(_Loss(model, loss), process_group=group)
        return lambda batch: parallel(*batch)


ALONE = Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun started, until the block ends; without torchrun, be the only one."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield ALONE
        return
    dist.init_process_group("gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), int(os.environ["LOCAL_RANK"]))
    finally:
        dist.destroy_process_group()


class _Loss(nn.Module):
    """The loss of a share, as a module: what DistributedDataParallel wraps must be called to have its effect."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, *batch: torch.Tensor) -> torch.Tensor:
        return self.loss(self.model, batch)
