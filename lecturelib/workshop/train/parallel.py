"""Train one model by several processes, each on its share of every batch (data parallel, under `torchrun`).

joined      join the processes that torchrun started
Processes   what they do together: share a batch, average gradients, agree when to stop, fail in the same place
ALONE       the one process of a training without torchrun

Every process draws the same global batch and takes its own rows; DistributedDataParallel averages the gradients. Where
a recipe's loss is a plain mean over rows, the mean of the shares' gradients is the gradient of the whole batch, so that
two processes do what one does, dropout included, up to the order in which floating-point numbers are added.
How much that rounding becomes: after 100 steps of digits_mae weights differ by 4e-7. Two things enlarge it. The bias of
a key in attention has no gradient but rounding, which Adam makes as large as any other (4e-5); it changes no output.
Muon computes in 16 bits (8e-4 after 3 steps of photos_mae). The losses along the way are the same to three digits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode

Batch = tuple[torch.Tensor, ...]
Loss = Callable[[nn.Module, Batch], torch.Tensor]
Result = TypeVar("Result")
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # set by torchrun
LOST = ("Connection closed", "Connection reset", "Broken pipe", "Timed out", "NCCL error")  # gloo's words, and nccl's


class Processes:
    """One of the `count` processes that train a model together; the `first` alone prints and writes.

    All of them must call the same methods in the same order, as each waits for the others. `agreed` is the exception
    that all of them raise, if there is one: nobody waits for a process that raised anything else.
    """

    def __init__(self, rank: int = 0, count: int = 1, local_rank: int = 0, local_count: int = 1) -> None:
        self.rank, self.count, self.local_rank, self.local_count = rank, count, local_rank, local_count
        self.first = rank == 0
        self.agreed: BaseException | None = None

    def all_do(self, work: Callable[[], Result]) -> list[Result]:
        """Do something on each process, and return the results of all.

        Raises: on every process the first ValueError or OSError that one of them met.
        """
        if self.count == 1:
            return [work()]
        result, problem = None, None
        try:
            result = work()
        except (ValueError, OSError) as found:
            problem = found
        everyone: list[Any] = [None] * self.count
        dist.all_gather_object(everyone, (result, problem))
        problems = [found for _, found in everyone if found is not None]
        if problems:
            raise self.by_all(problem or problems[0])
        return [result for result, _ in everyone]

    def first_does(self, work: Callable[[], Result]) -> Result:
        """Do something on the first process while the others wait, and return its result on each.

        Raises: as `all_do`.
        """
        return self.all_do(work if self.first else lambda: None)[0]  # type: ignore[return-value]

    def same(self, what: str, work: Callable[[], Result]) -> Result:
        """Do something on each process that must come out the same.

        Raises: as `all_do`, and ValueError where the results differ.
        """
        everyone = self.all_do(work)
        if any(each != everyone[0] for each in everyone):
            raise self.by_all(
                ValueError(
                    f"{what} differs between the processes ({', '.join(map(str, everyone))}): expected the same; give "
                    "all of them the same command, and a folder that they share"
                )
            )
        return everyone[self.rank]

    def by_all(self, problem: BaseException) -> BaseException:
        """Return an exception that every process is about to raise."""
        if self.count > 1:  # ALONE has nobody to agree with
            self.agreed = problem
        return problem

    def any_says(self, *said: bool) -> list[bool]:
        """Return for each question whether some process says yes."""
        return list(said) if self.count == 1 else [answer > 0 for answer in self._sum(said)]

    def total(self, number: float) -> float:
        """Return the sum of a number over all processes."""
        return number if self.count == 1 else self._sum((number,))[0]

    def _sum(self, numbers: tuple[float, ...]) -> list[float]:
        summed = torch.tensor(numbers, dtype=torch.float64)  # on the CPU, by gloo, wherever the model is
        dist.all_reduce(summed)
        return summed.tolist()

    def check(self, batch: int, device: str) -> None:
        """Refuse what these processes cannot share.

        Raises: ValueError for a batch that cannot be divided among them, and fewer GPUs than processes.
        """
        if batch % self.count:
            raise ValueError(
                f"a batch of {batch} cannot be divided among {self.count} processes: expected equal shares; start "
                f"another number with --nproc-per-node, or give --batch-size {batch + -batch % self.count}"
            )
        if device == "cuda" and self.local_count > torch.cuda.device_count():
            raise ValueError(
                f"{self.local_count} processes on a machine with {torch.cuda.device_count()} GPU(s): expected one GPU "
                f"for each; start at most {torch.cuda.device_count()} with --nproc-per-node"
            )

    def share(self, batch: Batch) -> Batch:
        """Return the own rows of a global batch: the first process takes the first, and so on.

        Raises: ValueError for tensors whose number of rows differs, or cannot be divided.
        """
        if self.count == 1:
            return batch
        rows = {len(each) for each in batch}
        if len(rows) != 1 or min(rows) % self.count:
            raise ValueError(
                f"the tensors of a batch have {sorted(rows)} rows: expected the same number in each, a multiple of "
                f"{self.count}; a recipe with other batches trains by one process"
            )
        size = rows.pop() // self.count
        return tuple(each[self.rank * size : (self.rank + 1) * size] for each in batch)

    def averaged(self, model: nn.Module, loss: Loss, device: str) -> Callable[[Batch], torch.Tensor]:
        """Return the function that gives the loss of a share, and whose backward pass averages all shares' gradients.

        The weights of the first process become those of all.
        """
        if self.count == 1:
            return lambda batch: loss(model, batch)
        group = dist.new_group(backend="nccl") if device == "cuda" else None  # None: the group of all, by gloo
        parallel = DistributedDataParallel(_Loss(model, loss, self), process_group=group)
        return lambda batch: parallel(*batch)


ALONE = Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun started, until the block ends; without torchrun, be the only one.

    At the end each waits for the others, because torchrun ends them all as soon as one ends with an error. Who raises
    what the others do not raise waits for nobody.
    Raises: ValueError where the variables that torchrun sets are incomplete, and for a torch without
        torch.distributed; ConnectionError where another process is gone.
    """
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield ALONE
        return
    missing = [each for each in VARIABLES if each not in os.environ]
    if missing or not dist.is_available():
        what = f"{', '.join(missing)} not set" if missing else "this torch is built without torch.distributed"
        raise ValueError(
            f"WORLD_SIZE={count}, but {what}: expected what `torchrun --nproc-per-node {count} -m "
            "lecturelib train NAME` sets up; start it so, or by one process without WORLD_SIZE"
        )
    rank, local_rank, local_count = (int(os.environ[each]) for each in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    dist.init_process_group("gloo", rank=rank, world_size=count)
    processes = Processes(rank, count, local_rank, local_count)
    try:
        yield processes
    except BaseException as problem:
        if problem is processes.agreed:
            dist.barrier()
        if isinstance(problem, RuntimeError) and any(words in str(problem) for words in LOST):
            raise ConnectionError(
                "another process of this training is gone; give the same command again: it goes on from the last copy"
            ) from None
        raise
    else:
        dist.barrier()
    finally:
        dist.destroy_process_group()


class _Loss(nn.Module):
    """The loss of a share, as a module: what DistributedDataParallel wraps must be called to have its effect."""

    def __init__(self, model: nn.Module, loss: Loss, processes: Processes) -> None:
        super().__init__()
        self.model, self.loss, self.dropout = model, loss, _DropoutOfAll(processes)

    def forward(self, *batch: torch.Tensor) -> torch.Tensor:
        with self.dropout:
            return self.loss(self.model, batch)


class _DropoutOfAll(TorchFunctionMode):
    """While it is active, `F.dropout` (and so `nn.Dropout`) drops what one process would drop of the global batch.

    Each process draws the mask of the global batch and keeps its own rows. So all of them use up the same random
    numbers, as one process does, and any number of processes drops the same.
    """

    def __init__(self, processes: Processes) -> None:
        super().__init__()
        self.processes = processes

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return (self._drop if function is F.dropout else function)(*args, **(kwargs or {}))

    def _drop(self, x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
        if not training or not p:
            return F.dropout(x, p, training, inplace)  # draws nothing
        rows = len(x)
        everywhere = F.dropout(x.new_ones(rows * self.processes.count, *x.shape[1:]), p)  # 0 or 1 / (1 - p)
        own = everywhere[self.processes.rank * rows :][:rows]
        return x.mul_(own) if inplace else x * own
