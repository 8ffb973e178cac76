"""Training batches: epochs of views over the training set, the same for teachers and student.

Epoch e shows view e mod K, its pairs in an order drawn from (seed, e): K = epochs is Algorithm 1 with fresh
views throughout, K < epochs repeats them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.data.images import Subset
from erkt.params.views import ViewSettings
from erkt.views.pairs import batches, in_order
from erkt.views.view import View


@dataclass(frozen=True)
class Batch:
    """Whole pairs of one view.

    ``positions`` (B,) are places in the training list; ``images`` (B, 3, S, S) are float32 in [0, 1];
    ``label_a``, ``label_b`` (B,) int64 and ``alpha`` (B,) float32 in [0, 1] are eq. 11's.
    """

    view: int
    positions: NDArray[np.int64]
    images: Tensor
    label_a: Tensor
    label_b: Tensor
    alpha: Tensor


@dataclass(frozen=True)
class ViewBatches:
    """Epochs over ``subset``; ``seed`` fixes views and order, ``views`` is K."""

    subset: Subset
    settings: ViewSettings
    seed: int
    views: int
    batch_size: int
    device: torch.device

    def view(self, number: int) -> View:
        """Return view ``number`` of the training set."""
        return View.make(self.seed, number, self.subset.labels, self.subset.side, self.settings)

    def epoch(self, epoch: int) -> tuple[View, list[NDArray[np.int64]]]:
        """Return the view that ``epoch`` shows, and the positions of its batches: every sample once."""
        view = self.view(epoch % self.views)
        return view, batches(view.partners, self.seed, epoch, self.batch_size)

    def in_order(self, number: int) -> list[NDArray[np.int64]]:
        """Return the positions of view ``number`` as whole pairs in the order of the list, in batches."""
        return in_order(self.view(number).partners, self.batch_size)

    def batch(self, view: View, positions: NDArray[np.int64]) -> Batch:
        """Return the batch of ``view`` at ``positions``, which must be whole pairs."""
        pixels = torch.from_numpy(self.subset.pixels(positions)).to(self.device)
        return Batch(view.number, positions, *view.render(pixels, positions))
