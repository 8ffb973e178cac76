"""A view: draws, partners and labels of the whole training set, and its images a batch at a time."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.errors import ErktError
from erkt.machine.device import on_host, send
from erkt.params.views import ViewSettings
from erkt.views.apply import apply
from erkt.views.draws import Draws, draw
from erkt.views.fused import FusedTable
from erkt.views.pairs import Positions, partners, places
from erkt.views.table import Table


class Rendered(NamedTuple):
    """A batch of a view, on one device, with what eq. 11 needs.

    ``images``: float32 (B, 3, S, S) in [0, 1]. ``label_a``, ``label_b``: int64 (B,), the sample's class and
    its partner's, or ``NO_LABEL``. ``alpha``: float32 (B,) in [0, 1], the partner's share of the pixels.
    """

    images: Tensor
    label_a: Tensor
    label_b: Tensor
    alpha: Tensor


@dataclass(frozen=True, eq=False)
class View:
    """One pass of the training set through the VSM; made by ``View.make``.

    Samples go by their position 0 to N - 1 in the training list. ``labels`` and ``partners``: int64 (N,).
    ``fused``: a GPU renders it by the kernels of ``erkt.views.fused``.
    """

    number: int
    labels: NDArray[np.int64]
    partners: Positions
    draws: Draws
    side: int
    settings: ViewSettings
    fused: bool = False
    _tables: dict[torch.device, Table | FusedTable] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def make(
        cls,
        seed: int,
        number: int,
        labels: NDArray[np.int64],
        side: int,
        settings: ViewSettings,
        *,
        fused: bool = False,
    ) -> "View":
        """Return view ``number`` under ``seed`` for samples of classes ``labels`` (N,), at ``side`` pixels.

        Gates are independent, but for one exception: a sample that has no partner is not mixed.
        """
        drawn = draw(seed, number, len(labels), side, settings)
        paired = partners(seed, number, len(labels))
        drawn = replace(drawn, cutmix=drawn.cutmix & (paired != np.arange(len(labels))))
        return cls(number, labels, paired, drawn, side, settings, fused)

    def render(self, images: Tensor, batch: Positions) -> Rendered:
        """Return the view of the samples ``batch`` (B,), whole pairs in any order, on the images' device.

        ``images``: uint8 (B, 3, side, side), theirs, unchanged afterwards. Raises ErktError if the batch
        splits a pair or the images are of another kind.

        On a CPU each operation works on the images where it fires; elsewhere by masks on all (``Table``)
        or by the kernels, where the view's draws are moved to once.
        """
        shape = (len(batch), 3, self.side, self.side)
        if images.dtype != torch.uint8 or tuple(images.shape) != shape:
            raise ErktError(
                f"a view of {shape[0]} samples at {self.side} pixels needs uint8 images of shape {shape}, "
                f"found {images.dtype} {tuple(images.shape)}"
            )
        if not on_host(images.device):
            return self.by_table(images, send(self.index(batch), images.device))
        rows = self.draws.rows(batch)
        return Rendered(
            apply(images, rows, places(self.partners, batch), self.settings),
            torch.from_numpy(self.labels[batch]),
            torch.from_numpy(self.labels[self.partners[batch]]),
            torch.from_numpy(rows.alpha(self.side)),
        )

    def index(self, batch: Positions) -> NDArray[np.int64]:
        """Return what ``by_table`` must be told of the samples ``batch`` (B,), whole pairs, as one vector.

        It has their positions, then where in the batch their partners stand, then where those stand that are
        cropped. Raises ErktError if the batch splits a pair.
        """
        cropped = np.flatnonzero(self.draws.resized_crop[batch])
        return np.concatenate([batch, places(self.partners, batch), cropped])

    def by_table(self, images: Tensor, index: Tensor) -> Rendered:
        """Return what ``render`` does, on a device, of the samples of an ``index``, on the images' device."""
        count, device = len(images), images.device
        if device not in self._tables:
            own = self.draws, self.labels, self.partners, self.side, self.settings
            self._tables[device] = (FusedTable if self.fused else Table).of(*own, device)
        partners, cropped = index[count : 2 * count], index[2 * count :]
        return Rendered(*self._tables[device].render(images, index[:count], partners, cropped))
