"""Stored logits against the teacher that made them, on a sample, after TinyViT's saved-logits check."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from erkt.networks.models import Classifier
from erkt.networks.precision import running
from erkt.params.recipe import Precision
from erkt.seeds import stream
from erkt.views.batches import ViewBatches

TOLERANCES: dict[Precision, float] = {"fp32": 5e-3, "bf16": 0.2}
"""Largest difference, in units of the logits' deviation: float16 keeps 11 bits, other batch sizes and devices
move a network's logits by less than that. bfloat16 keeps 8: it moved one logit of 150,000 by 0.12."""


@torch.inference_mode()
def largest_difference(
    teacher: Classifier,
    data: ViewBatches,
    stored: Mapping[int, NDArray[np.float16]],
    views: int,
    pairs: int,
    precision: Precision = "fp32",
) -> float:
    """Return the largest difference between stored and new logits, in units of the stored ones' deviation.

    ``views`` of the stored views and ``pairs`` pairs of each are drawn from the seed of ``data``. The teacher
    runs in ``precision``, that in which the stored ones were made.
    """
    draws, worst = stream(data.seed, "verify"), 0.0
    numbers = sorted(stored)
    for place in draws.permutation(len(numbers))[:views]:
        number = numbers[place]
        view = data.view(number)
        firsts = draws.permutation(len(view.partners))[:pairs]
        positions = np.unique(np.concatenate([firsts, view.partners[firsts]]))
        images = data.batch(view, positions).images.contiguous(memory_format=torch.channels_last)
        with running(precision, data.device):
            again = teacher(images).float().cpu().numpy()
        kept = stored[number].astype(np.float32)
        difference = float(np.abs(again - kept[positions]).max() / kept.std())
        worst = max(worst, difference if np.isfinite(difference) else np.inf)
    return worst
