"""Whether one protocol beats another: differences over the same seeds, with two intervals.

Runs that share seeds share splits, so their differences are free of what a split alone makes easy or hard.
Student's interval is on the seeds' differences; it says nothing about other datasets or test images. The
bootstrap's is on seeds and test images. With one seed it speaks of test images alone; with few it is narrower
than Student's, which assumes less.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from erkt.errors import ErktError
from erkt.evaluation.summary import spread

Bools = NDArray[np.bool_]

NOTHING = "no difference shown"
"""What an interval says that spans 0."""

RESAMPLES = 20_000


def difference(one: Mapping[int, float], other: Mapping[int, float], level: float = 95.0) -> dict[str, Any]:
    """Return ``one`` minus ``other``: ``by_seed``, ``mean``, ``std``, ``runs``, ``low``, ``high``.

    Both map seeds to a figure, such as OA in percent. ``low`` and ``high`` are Student's bounds of the mean
    difference at ``level`` percent (0 to 100, exclusive); None for one seed. Raises ErktError if the seeds
    differ.
    """
    if not one or one.keys() != other.keys():
        named = [", ".join(map(str, sorted(run))) or "none" for run in (one, other)]
        raise ErktError(f"differences are paired by seed, but the seeds are {named[0]} and {named[1]}")
    by_seed = {seed: one[seed] - other[seed] for seed in sorted(one)}
    numbers = spread(list(by_seed.values()))
    low = high = None
    if numbers["std"] is not None and numbers["mean"] is not None:
        quantile = float(student_t.ppf(0.5 + level / 200, len(by_seed) - 1))
        reach = quantile * numbers["std"] / math.sqrt(len(by_seed))
        low, high = numbers["mean"] - reach, numbers["mean"] + reach
    return {"by_seed": by_seed, **numbers, "low": low, "high": high}


def verdict(numbers: Mapping[str, Any]) -> str:
    """Return what a difference says: higher, lower, or nothing, where its interval spans 0 or is none."""
    if numbers["low"] is None:
        return "one seed, no verdict"
    if numbers["low"] > 0:
        return "higher"
    return "lower" if numbers["high"] < 0 else NOTHING


def bootstrap(
    one: Mapping[int, Bools], other: Mapping[int, Bools], rng: np.random.Generator, level: float = 95.0
) -> tuple[float, float]:
    """Return the bounds, in points, of the mean over seeds of OA of ``one`` minus OA of ``other``.

    B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993: the percentile interval. Seeds are
    drawn with replacement, and for each of them test images; ``scipy.stats.bootstrap`` draws on one level.

    Both say by seed whether each test image (N,) is classified rightly, for the same seeds and images in the
    same order. ``level`` is in percent, 0 to 100, exclusive. Raises ErktError if seeds or numbers of images
    differ, or there are none.
    """
    images, others = ({seed: len(hits) for seed, hits in run.items()} for run in (one, other))
    if images != others or 0 in (len(images), *images.values()):
        raise ErktError("bootstrap: both need the same seeds and as many test images, at least one")
    chosen = rng.integers(len(one), size=(RESAMPLES, len(one)))
    drawn = np.empty(chosen.shape)
    for place, (seed, hits) in enumerate(one.items()):
        better, worse = float(np.mean(hits & ~other[seed])), float(np.mean(~hits & other[seed]))
        # An image counts 1, -1 or 0, so N images drawn with replacement are one multinomial draw.
        shares = [better, worse, max(0.0, 1 - better - worse)]
        here = chosen == place
        counts = rng.multinomial(len(hits), shares, size=int(here.sum()))
        drawn[here] = 100.0 * (counts[:, 0] - counts[:, 1]) / len(hits)
    low, high = np.percentile(drawn.mean(axis=1), [50 - level / 2, 50 + level / 2])
    return float(low), float(high)
