"""The ensemble's score: its members' logits, mixed by weight (paper, section 3.1 and Fig. 3)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.errors import ErktError

Space = Literal["logits", "probs"]


def mix(logits: Tensor, weights: Sequence[float], space: Space) -> Tensor:
    """Return the ensemble's score (B, C), in float32 (float64 stays float64).

    Args:
        logits: (T, B, C), one slice a teacher.
        weights: one for each teacher, 0 or more, summing to 1 within 1e-6.
        space: ``logits`` for the weighted sum; ``probs`` for the log of the weighted mean of softmax, a log
            because whoever takes the score as logits applies a softmax to it.

    Raises:
        ErktError: the weights do not fit the teachers, or do not form a weighted mean.
    """
    if len(weights) != len(logits):
        raise ErktError(f"ensemble: {len(weights)} weights for {len(logits)} teachers, expected one for each")
    if not (min(weights, default=0.0) >= 0 and abs(math.fsum(weights) - 1) <= 1e-6):
        raise ErktError(f"ensemble weights {list(weights)}: expected numbers of at least 0 that sum to 1")
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    used = [(scores, weight) for scores, weight in zip(wide, weights, strict=True) if weight > 0]
    if space == "logits":
        return torch.stack([weight * scores for scores, weight in used]).sum(dim=0)
    # In the log domain: a class that every member gives a probability of 1e-400 still has a finite score.
    logs = [scores.log_softmax(dim=1) + math.log(weight) for scores, weight in used]
    return torch.stack(logs).logsumexp(dim=0)


def combine(
    logits: Mapping[str, NDArray[np.floating[Any]]], weights: Mapping[str, float], space: Space
) -> NDArray[np.float64]:
    """Return ``mix`` of logits (N, C) by member, stored in any precision, in float64 (N, C).

    Raises ErktError if members and weights have other names, or shapes differ, and as ``mix`` does.
    """
    if set(weights) != set(logits):
        raise ErktError(f"ensemble weights name {sorted(weights)}, the members are {sorted(logits)}")
    shapes = {name: array.shape for name, array in logits.items()}
    if len(set(shapes.values())) != 1 or any(len(shape) != 2 for shape in shapes.values()):
        raise ErktError(f"ensemble: logits have shapes {shapes}, expected one (N, C) for every member")
    names = sorted(logits)
    stacked = torch.from_numpy(np.stack([logits[name] for name in names]).astype(np.float64))
    mixed: NDArray[np.float64] = mix(stacked, [weights[name] for name in names], space).numpy()
    return mixed
