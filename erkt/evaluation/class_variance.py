"""The variance of scores, parted into that within classes and that between them."""

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


def within_and_between(scores: Scores, shares: Scores) -> tuple[float, float]:
    """Return the variance of ``scores`` within and between classes, each summed over the columns.

    The law of total variance with weights. Image i belongs to class k by w_ik, and W_k is the sum of w_ik
    over the M images. A class has the mean m_k = sum_i w_ik z_i / W_k, and m is the mean of all scores::

        within  = 1/M sum_k sum_i w_ik |z_i - m_k|^2
        between = 1/M sum_k W_k |m_k - m|^2

    and their sum is the variance of all scores, 1/M sum_i |z_i - m|^2. A mixed image counts for both of its
    classes, and a class as much as it occurs.

    Args:
        scores: z (M, C), 1 row or more.
        shares: w (M, K) in [0, 1]; rows sum to 1. A class that no image belongs to has no part.
    """
    occurring = shares[:, shares.sum(axis=0) > 0]
    sizes = occurring.sum(axis=0)
    means = occurring.T @ scores / sizes[:, None]
    between = sizes @ ((means - scores.mean(axis=0)) ** 2).sum(axis=1)
    within = sum(
        own @ ((scores - mean) ** 2).sum(axis=1) for own, mean in zip(occurring.T, means, strict=True)
    )
    return float(within / len(scores)), float(between / len(scores))
