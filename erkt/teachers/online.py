"""The teachers run on each batch as it comes: Algorithm 1 as printed, on the same path as the cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from erkt.ensemble.mixing import mix
from erkt.networks.models import Classifier
from erkt.networks.precision import running
from erkt.params.recipe import Precision
from erkt.views.batches import Batch


@dataclass(frozen=True)
class OnlineTeachers:
    """The ensemble's members as networks; maps a batch to the ensemble's logits (B, C), float32.

    Logits pass through float16 as stored ones do, so that cached and online training differ only by the
    rounding that another batch size causes inside a network.
    """

    members: Sequence[Classifier]
    weights: Sequence[float]
    space: Literal["logits", "probs"]
    precision: Precision = "fp32"

    def __call__(self, batch: Batch) -> Tensor:
        """Return the ensemble's logits (B, C) on ``batch``, on the batch's device."""
        return self.logits(batch.images)

    @torch.no_grad()  # not inference mode: its tensors cannot take part in the student's backward pass
    def logits(self, images: Tensor) -> Tensor:
        """Return the ensemble's logits (B, C) on float ``images`` (B, 3, H, W) in [0, 1], on their device."""
        images = images.contiguous(memory_format=torch.channels_last)
        with running(self.precision, images.device):
            outputs = [member(images).half() for member in self.members]
        return mix(torch.stack(outputs), self.weights, self.space)
