"""How good views are to teach on, asked of the teachers alone: the "T. stddev" of H. Wang et al.

H. Wang, S. Lohit, M. Jones, Y. Fu, "What Makes a 'Good' Data Augmentation in Knowledge Distillation - A
Statistical Perspective", NeurIPS 2022, arXiv 2012.02909.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from erkt.views.batches import ViewBatches
from erkt.views.pairs import batches

SUBSET = 64
"""Images whose probabilities have one mean."""


def mean_probability_std(
    probabilities: NDArray[np.float64], subsets: Sequence[Sequence[NDArray[np.int64]]]
) -> float | None:
    """Return the standard deviation of the teacher's mean probability; lower is better. None for one subset.

    The teacher's probabilities p_i (C,) are averaged over a random subset S of the views, u_S = mean of p_i
    over i in S. The figure is the standard deviation of u_S over the subsets (n - 1), for each class on its
    own, and then the mean over the classes. In the paper the student's test loss falls with it.

    So its authors compute it (helper/loops.py of Good-DA-in-KD, ``check_ce_var``), with subsets of five
    batches of 64, and ten where half of them are mixed. Small training sets do not have many of these, so a
    subset is one batch here. For independent images that changes the scale alone, by the square root of the
    number of batches; figures of other training images or subsets do not compare.

    Args:
        probabilities: (V, N, C), softmax of the ensemble's logits at temperature 1, on V views.
        subsets: for each view the places in N of each of its subsets, as ``random_subsets`` draws them.
    """
    means = [
        own[subset].mean(axis=0) for own, of in zip(probabilities, subsets, strict=True) for subset in of
    ]
    return float(np.std(means, axis=0, ddof=1).mean()) if len(means) > 1 else None


def random_subsets(data: ViewBatches, views: Sequence[int]) -> list[list[NDArray[np.int64]]]:
    """Return for each of ``views`` its images in random subsets of 64, whole pairs; a remainder is left out.

    They are the batches that epochs of 64 images a batch would have, whatever batch size ``data`` has; a last
    batch, which may be larger, is cut.
    """
    orders = (batches(data.view(view).partners, data.seed, view, SUBSET) for view in views)
    return [[batch[:SUBSET] for batch in order if len(batch) >= SUBSET] for order in orders]
