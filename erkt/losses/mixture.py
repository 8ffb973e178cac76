"""The teachers' ensemble score on the training device (paper, section 3.1 and Fig. 3).

The same arithmetic as ``erkt.ensemble.combine``, on tensors, for a batch whose teachers have just been run or
whose logits have just been read.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from erkt.errors import ErktError


def mix(logits: Tensor, weights: Sequence[float], space: Literal["logits", "probs"]) -> Tensor:
    """Return the ensemble's score, float32 (B, C).

    Args:
        logits: (T, B, C), one slice a teacher.
        weights: one for each teacher, 0 or more, summing to 1.
        space: ``logits`` for the weighted sum; ``probs`` for the log of the weighted mean of softmax.

    Raises:
        ErktError: the weights do not fit the teachers, or do not form a weighted mean.
    """
    if len(weights) != len(logits):
        raise ErktError(f"ensemble: {len(weights)} weights for {len(logits)} teachers, expected one for each")
    if not (min(weights, default=0.0) >= 0 and abs(sum(weights) - 1) <= 1e-6):
        raise ErktError(f"ensemble weights {list(weights)}: expected numbers of at least 0 that sum to 1")
    used = [(scores.float(), weight) for scores, weight in zip(logits, weights, strict=True) if weight > 0]
    if space == "logits":
        return torch.stack([weight * scores for scores, weight in used]).sum(dim=0)
    return torch.stack([scores.log_softmax(dim=1) + math.log(weight) for scores, weight in used]).logsumexp(
        dim=0
    )
