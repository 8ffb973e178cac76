"""A view: draws, partners and labels of the whole training set, and its images a batch at a time."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.errors import ErktError
from erkt.params.views import ViewSettings
from erkt.views.apply import apply
from erkt.views.draws import Draws, draw
from erkt.views.pairs import Positions, partners, places


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
    """

    number: int
    labels: NDArray[np.int64]
    partners: Positions
    draws: Draws
    side: int
    settings: ViewSettings

    @classmethod
    def make(
        cls, seed: int, number: int, labels: NDArray[np.int64], side: int, settings: ViewSettings
    ) -> "View":
        """Return view ``number`` under ``seed`` for samples of classes ``labels`` (N,), at ``side`` pixels.

        Gates are independent, but for one exception: a sample that has no partner is not mixed.
        """
        drawn = draw(seed, number, len(labels), side, settings)
        paired = partners(seed, number, len(labels))
        drawn = replace(drawn, cutmix=drawn.cutmix & (paired != np.arange(len(labels))))
        return cls(number, labels, paired, drawn, side, settings)

    def render(self, images: Tensor, batch: Positions) -> Rendered:
        """Return the view of the samples ``batch`` (B,), whole pairs in any order, on the images' device.

        ``images``: uint8 (B, 3, side, side), theirs, unchanged afterwards. Raises ErktError if the batch
        splits a pair or the images are of another kind.
        """
        shape = (len(batch), 3, self.side, self.side)
        if images.dtype != torch.uint8 or tuple(images.shape) != shape:
            raise ErktError(
                f"a view of {shape[0]} samples at {self.side} pixels needs uint8 images of shape {shape}, "
                f"found {images.dtype} {tuple(images.shape)}"
            )
        inside = places(self.partners, batch)
        rows = self.draws.rows(batch)

        def here(values: NDArray[np.generic]) -> Tensor:
            return torch.from_numpy(values).to(images.device)

        return Rendered(
            apply(images, rows, inside, self.settings),
            here(self.labels[batch]),
            here(self.labels[self.partners[batch]]),
            here(rows.alpha(self.side)),
        )
