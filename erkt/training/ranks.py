"""The processes that train one network together, as the training loop sees them; usually there is one.

Each process (a *rank*, from 0) works on its share of each batch. The loss is that of the whole batch, never a
mean of the processes' losses: relations between samples, such as DIST's within a class, see all of them. So
logits are gathered, every process computes the same loss, and only its own rows carry a gradient back into
its network. Each gradient is then a summand of the whole batch's, and they are *added*. DDP of torch is not
used: it takes means, and regroups gradients after its first step, so that a run that goes on from a
checkpoint would round otherwise than an unbroken one.
"""

import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn

from erkt.errors import ErktError
from erkt.machine.device import on_host
from erkt.seeds import derive
from erkt.training.processes import MEETING_PLACE, Lost

MaybeTensor = TypeVar("MaybeTensor", Tensor, Tensor | None)
Positions = NDArray[np.int64]

_PATIENCE = timedelta(days=1)
"""How long a process waits for another that is alive: as long as validating may take the first one."""

_LOOPBACK = {"linux": "lo", "darwin": "lo0"}  # else they take an address that others can reach


class Ranks:
    """One process alone: its share is everything, and there is nobody to ask."""

    number = 0
    count = 1

    def prepare(self, model: nn.Module, device: torch.device) -> None:
        """Have ``model``, on its way to ``device``, normalise as the processes do together."""

    def deal(self, order: Sequence[Positions]) -> Sequence[Positions]:
        """Return this process's share of each batch of ``order``.

        Shares are whole pairs, as many as another's or one more; a sample without a partner joins the last.
        Raises ErktError if a batch has fewer pairs than there are processes.
        """
        return order

    def seed(self, seed: int, step: int) -> int:
        """Return the seed of ``step``, by which no two processes draw the same dropout."""
        return derive(seed, "step", step)

    def whole(self, own: MaybeTensor, count: int) -> MaybeTensor:
        """Return the rows (``count``, ...) of the whole batch, of which ``own`` are this process's.

        Those of other processes have no gradient. None, where there is no teacher, stays None.
        """
        return own

    def add_up(self, parameters: Sequence[nn.Parameter], model: nn.Module) -> None:
        """Give every process the sum of the gradients of ``parameters``, and the mean running statistics."""

    def any(self, flag: bool) -> bool:
        """Return whether ``flag`` is set in any process."""
        return flag

    def require_same(self, text: str, message: str) -> None:
        """Raise ErktError with ``message`` if the processes do not all have the same ``text``."""


ALONE = Ranks()


class Group(Ranks):
    """Process ``number``, from 0, of ``count`` that ``joined`` has brought together.

    What asks the others raises Lost if one of them has ended.
    """

    def __init__(self, number: int, count: int) -> None:
        self.number, self.count = number, count

    def prepare(self, model: nn.Module, device: torch.device) -> None:
        """Have batch normalisation on GPUs use the statistics of the whole batch (torch's SyncBatchNorm).

        On CPUs torch has none: there each process normalises its share by that share's own statistics.
        """
        if not on_host(device):
            convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]  # timm's own gap

    def deal(self, order: Sequence[Positions]) -> Sequence[Positions]:
        """As ``Ranks.deal``."""
        fewest = min(len(positions) // 2 for positions in order)
        if fewest < self.count:
            raise ErktError(
                f"recipe.processes is {self.count}, but the smallest batch has {fewest} pairs of images, and "
                "each process needs one; take fewer processes, or a larger recipe.batch_size"
            )
        shares = []
        for positions in order:
            start = sum(self._sizes(len(positions))[: self.number])
            shares.append(positions[start : start + self._sizes(len(positions))[self.number]])
        return shares

    def seed(self, seed: int, step: int) -> int:
        """As ``Ranks.seed``."""
        return derive(seed, "step", step, "process", self.number)

    def whole(self, own: MaybeTensor, count: int) -> MaybeTensor:
        """As ``Ranks.whole``: shares are filled up to the largest one, exchanged, and cut again."""
        if own is None:
            return own
        sizes = self._sizes(count)
        filled = own.new_zeros((max(sizes), *own.shape[1:]))
        filled[: len(own)] = own.detach()
        parts = [torch.empty_like(filled) for _ in sizes]
        with _losing():
            dist.all_gather(parts, filled)
        rows = [part[:size] for part, size in zip(parts, sizes, strict=True)]
        rows[self.number] = own
        return torch.cat(rows)

    def add_up(self, parameters: Sequence[nn.Parameter], model: nn.Module) -> None:
        """As ``Ranks.add_up``: each as one vector, whose order never changes.

        Running statistics that are a share's (on CPUs) become those of all images, and the same everywhere.
        """
        self._sum([parameter.grad for parameter in parameters if parameter.grad is not None])
        own = [
            statistic
            for module in model.modules()
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)) and module.training
            for statistic in (module.running_mean, module.running_var)
            if statistic is not None
        ]
        if own:
            self._sum(own)
            torch._foreach_div_(own, self.count)

    def any(self, flag: bool) -> bool:
        """As ``Ranks.any``, on the CPU: nobody waits for a GPU."""
        flags = torch.tensor(int(flag))
        with _losing():
            dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags)

    def require_same(self, text: str, message: str) -> None:
        """As ``Ranks.require_same``."""
        own = zlib.crc32(text.encode())
        ends = torch.tensor([own, -own])
        with _losing():
            dist.all_reduce(ends, dist.ReduceOp.MAX)
        if ends.sum():
            raise ErktError(message)

    def _sizes(self, count: int) -> list[int]:
        """Return the sizes of all shares of a batch of ``count`` samples."""
        sizes = [2 * len(pairs) for pairs in np.array_split(np.arange(count // 2), self.count)]
        sizes[-1] += count % 2
        return sizes

    def _sum(self, tensors: list[Tensor]) -> None:
        """Put the sum over all processes into each of ``tensors``, which have one type."""
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _losing():
            dist.all_reduce(flat)
        sums = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(tensors, [part.view(t.shape) for part, t in zip(sums, tensors, strict=True)])


@contextmanager
def joined(device: torch.device, *, share_cores: bool) -> Iterator[Group]:
    """Bring this process together with those that ``erkt.training.processes.launch`` started beside it.

    ``device`` is where it works. ``share_cores``: each takes as many threads as leave a core for every one.
    Raises Lost if another process has ended.
    """
    number, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if share_cores:
        torch.set_num_threads(max(1, torch.get_num_threads() // count))
    if sys.platform in _LOOPBACK:
        for library in ("GLOO", "NCCL"):
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", _LOOPBACK[sys.platform])
    with _losing():
        dist.init_process_group(
            "gloo" if on_host(device) else "cpu:gloo,cuda:nccl",
            init_method=f"file://{os.environ[MEETING_PLACE]}",
            rank=number,
            world_size=count,
            timeout=_PATIENCE,
        )
    yield Group(number, count)
    dist.destroy_process_group()


@contextmanager
def _losing() -> Iterator[None]:
    """Turn what torch raises when a process does not answer into Lost."""
    try:
        yield
    except RuntimeError as error:
        raise Lost(" ".join(str(error).split())) from error
