"""From logits to what a reader of predictions wants: probabilities, entropy, the best classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Shares = NDArray[np.float64]


def probabilities(logits: Floats, temperature: float) -> Shares:
    """Return the softmax (B, C) of logits (B, C) divided by ``temperature``, in float64."""
    scaled = logits.astype(np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def entropy(shares: Shares) -> Shares:
    """Return the entropy (B,) in nats of probabilities (B, C), 0 to log C."""
    # A probability of 0 has no part in it; its logarithm would be infinite.
    return np.asarray(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1) + 0.0)


def best(shares: Shares, count: int) -> NDArray[np.int64]:
    """Return the ``count`` most probable classes (B, count) of each row, the first of equals first."""
    return np.argsort(-shares, axis=1, kind="stable")[:, :count]
