"""A share of test images that were classified rightly, and how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest
from scipy.stats import t as student_t

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A share in percent: its ``mean`` over the runs, their deviation (n - 1), an interval at 95 %.

    ``low`` and ``high`` are in [0, 100], ``images`` are those of all runs together. ``std`` is None for one
    run.
    """

    mean: float
    std: float | None
    low: float
    high: float
    runs: int
    images: int


def estimate(right: Sequence[int], of: Sequence[int]) -> Estimate | None:
    """Return the share of images that are right, with its interval; None if no run has an image.

    ``right`` and ``of`` are counts by run; a run without an image does not count. The interval reaches at
    each end as far as the wider of two, since a few runs now and then agree by luck:

    - Wilson's, on as many images as one run has. Most of them come back in the next run, and one that
      is hard is hard there too. E. B. Wilson, "Probable inference, the law of succession, and statistical
      inference", Journal of the American Statistical Association 22, 1927.
    - Student's, on the runs' shares, where there are two or more.
    """
    pairs = [(hits, count) for hits, count in zip(right, of, strict=True) if count]
    if not pairs:
        return None
    hits, images = (sum(values) for values in zip(*pairs, strict=True))
    shares = np.array([100 * one / count for one, count in pairs])
    mean, std, runs = float(shares.mean()), None, len(pairs)
    wilson = binomtest(round(hits / runs), round(images / runs)).proportion_ci(LEVEL, method="wilson")
    low, high = 100 * float(wilson.low), 100 * float(wilson.high)
    if runs > 1:
        std = float(shares.std(ddof=1))
        reach = float(student_t.ppf(0.5 + LEVEL / 2, runs - 1)) * std / runs**0.5
        low, high = min(low, mean - reach), max(high, mean + reach)
    return Estimate(mean, std, max(low, 0.0), min(high, 100.0), runs, images)
