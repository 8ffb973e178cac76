"""How far a difference in OA may come from the seeds and test images at hand: a paired bootstrap over both.

B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993: the percentile interval. Seeds are drawn with
replacement, and for each of them test images, on which both classifiers are compared. With one seed it speaks of
test images alone. With few seeds it is narrower than Student's interval of ``erkt.evaluation.paired``, which assumes less.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from erkt.errors import ErktError

Bools = NDArray[np.bool_]

RESAMPLES = 20_000


def interval(
    one: Mapping[int, Bools],
    other: Mapping[int, Bools],
    rng: np.random.Generator,
    level: float = 95.0,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the bounds, in points, of the mean over seeds of OA of ``one`` minus OA of ``other``.

    Args:
        one: by seed, whether each test image (N,) is classified rightly.
        other: the same for the other classifier, over the same seeds and images in the same order.
        rng: the source of the resamples.
        level: percent, 0 to 100, exclusive.
        resamples: how many are drawn.

    Raises:
        ErktError: seeds or numbers of images differ, or there are none.
    """
    if not one or one.keys() != other.keys():
        raise ErktError("bootstrap: both need the same seeds, at least one")
    shares = []
    for seed, hits in one.items():
        if len(hits) != len(other[seed]) or not len(hits):
            raise ErktError(f"bootstrap: {len(hits)} and {len(other[seed])} images at seed {seed}")
        better, worse = float(np.mean(hits & ~other[seed])), float(np.mean(~hits & other[seed]))
        shares.append((len(hits), [better, worse, max(0.0, 1 - better - worse)]))
    # An image counts 1, -1 or 0, so N images drawn with replacement are one multinomial draw.
    chosen = rng.integers(len(shares), size=(resamples, len(shares)))
    drawn = np.empty(chosen.shape)
    for place, (images, share) in enumerate(shares):
        here = chosen == place
        counts = rng.multinomial(images, share, size=int(here.sum()))
        drawn[here] = 100.0 * (counts[:, 0] - counts[:, 1]) / images
    low, high = np.percentile(drawn.mean(axis=1), [50 - level / 2, 50 + level / 2])
    return float(low), float(high)
