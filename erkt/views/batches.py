"""Training batches: epochs of views over the training set, the same for teachers and student.

Epoch e shows view e mod K, its pairs in an order drawn from (seed, e): K = epochs is Algorithm 1 with fresh
views throughout, K < epochs repeats them. With a ``Finish`` the last epochs show views of their own.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.data.images import Subset
from erkt.params.views import ViewSettings
from erkt.views.finish import Finish
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
    """Epochs over ``subset``; ``seed`` fixes views and order, ``views`` is K.

    Views have ``settings``, but for those that ``finish`` includes.
    """

    subset: Subset
    settings: ViewSettings
    seed: int
    views: int
    batch_size: int
    device: torch.device
    finish: Finish | None = None

    def view(self, number: int) -> View:
        """Return view ``number`` of the training set."""
        settings = self.finish.settings if self.finish and self.finish.includes(number) else self.settings
        return View.make(self.seed, number, self.subset.labels, self.subset.side, settings)

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
        pixels = torch.from_numpy(self.subset.pixels(positions)).to(self.device)
        return Batch(view.number, positions, *view.render(pixels, positions))
