"""Training batches: epochs of views over the training set, the same for teachers and student.

Epoch e shows view e mod K, its pairs in an order drawn from (seed, e): K = epochs is Algorithm 1 with fresh
views throughout, K < epochs repeats them. With a ``Finish`` the last epochs show views of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.data.images import Subset
from erkt.machine.device import on_host, send
from erkt.params.runtime import Place
from erkt.params.views import ViewSettings
from erkt.views import fused
from erkt.views.finish import Finish
from erkt.views.pairs import batches, in_order
from erkt.views.pixels import ahead, resident
from erkt.views.view import View


@dataclass(frozen=True)
class Batch:
    """Whole pairs of one view.

    ``positions`` (B,) are places in the training list, and ``index`` the same as a tensor beside the images;
    ``images`` (B, 3, S, S) are float32 in [0, 1]; ``label_a``, ``label_b`` (B,) int64 and ``alpha`` (B,)
    float32 in [0, 1] are eq. 11's.
    """

    view: int
    positions: NDArray[np.int64]
    index: Tensor
    images: Tensor
    label_a: Tensor
    label_b: Tensor
    alpha: Tensor


@dataclass(frozen=True)
class ViewBatches:
    """Epochs over ``subset``; ``seed`` fixes views and order, ``views`` is K.

    Views have ``settings``, but for those that ``finish`` includes. ``images`` says where a device finds the
    pixels (``runtime.images``); on a CPU they are read from ``subset`` in any case. ``fused``: a GPU makes
    views by the fused kernels; raises ErktError if it cannot.
    """

    subset: Subset
    settings: ViewSettings
    seed: int
    views: int
    batch_size: int
    device: torch.device
    finish: Finish | None = None
    images: Place = "auto"
    fused: bool = False

    def __post_init__(self) -> None:
        if self.fused:
            fused.require(self.device)

    def view(self, number: int) -> View:
        """Return view ``number`` of the training set."""
        settings = self.finish.settings if self.finish and self.finish.includes(number) else self.settings
        return View.make(self.seed, number, self.subset.labels, self.subset.side, settings, fused=self.fused)

    def epoch(self, epoch: int, epochs: int) -> tuple[View, list[NDArray[np.int64]]]:
        """Return the view that ``epoch`` of ``epochs`` shows, and the positions of its batches.

        Each sample comes once.
        """
        shown = self.finish.shown(epoch, epochs, self.views) if self.finish else epoch % self.views
        view = self.view(shown)
        return view, batches(view.partners, self.seed, epoch, self.batch_size)

    def in_order(self, number: int) -> list[NDArray[np.int64]]:
        """Return the positions of view ``number`` as whole pairs in the order of the list, in batches."""
        return in_order(self.view(number).partners, self.batch_size)

    def batch(self, view: View, positions: NDArray[np.int64]) -> Batch:
        """Return the batch of ``view`` at ``positions``, which must be whole pairs."""
        if not on_host(self.device):
            return self._by_table(view, positions, None)
        pixels = torch.from_numpy(self.subset.pixels(positions))
        return Batch(view.number, positions, torch.from_numpy(positions), *view.render(pixels, positions))

    def stream(self, view: View, order: Sequence[NDArray[np.int64]]) -> Iterator[Batch]:
        """Yield the batches of ``view`` at each of ``order``, as ``batch`` returns them.

        Pixels that must be sent to a device are read while it works on the batch before.
        """
        if on_host(self.device) or self._resident is not None:
            for positions in order:
                yield self.batch(view, positions)
        else:
            for positions, pixels in zip(order, ahead(self._sent, order), strict=True):
                yield self._by_table(view, positions, pixels)

    @cached_property
    def _resident(self) -> Tensor | None:
        return resident(self.subset, self.device, self.images)

    def _sent(self, positions: NDArray[np.int64]) -> Tensor:
        return send(self.subset.pixels(positions), self.device)

    def _by_table(self, view: View, positions: NDArray[np.int64], pixels: Tensor | None) -> Batch:
        index = send(view.index(positions), self.device)
        own = index[: len(positions)]
        if pixels is None:
            there = self._resident
            pixels = self._sent(positions) if there is None else there.index_select(0, own)
        return Batch(view.number, positions, own, *view.by_table(pixels, index))
