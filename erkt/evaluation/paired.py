"""Whether one protocol beats another: differences over the same seeds, with their interval.

Runs that share seeds share splits, so their differences are free of what a split alone makes easy or hard. The
interval is Student's, on the seeds' differences; it says nothing about other datasets or test images.
"""

import math
from collections.abc import Mapping
from typing import Any

from scipy.stats import t as student_t

from erkt.errors import ErktError
from erkt.evaluation.summary import spread

NOTHING = "no difference shown"
"""What an interval says that spans 0."""


def difference(one: Mapping[int, float], other: Mapping[int, float], level: float = 95.0) -> dict[str, Any]:
    """Return ``one`` minus ``other`` over their seeds: ``by_seed``, ``mean``, ``std``, ``runs``, ``low``, ``high``.

    Both map seeds to a figure, such as OA in percent. ``low`` and ``high`` bound the mean difference at
    ``level`` percent (0 to 100, exclusive); null for one seed. Raises ErktError if the seeds differ.
    """
    if not one or one.keys() != other.keys():
        named = [", ".join(map(str, sorted(run))) or "none" for run in (one, other)]
        raise ErktError(f"differences are paired by seed, but the seeds are {named[0]} and {named[1]}")
    by_seed = {seed: one[seed] - other[seed] for seed in sorted(one)}
    numbers = spread(list(by_seed.values()))
    low = high = None
    if numbers["std"] is not None and numbers["mean"] is not None:
        reach = float(student_t.ppf(0.5 + level / 200, len(by_seed) - 1))
        half = reach * numbers["std"] / math.sqrt(len(by_seed))
        low, high = numbers["mean"] - half, numbers["mean"] + half
    return {"by_seed": by_seed, **numbers, "low": low, "high": high}


def verdict(numbers: Mapping[str, Any]) -> str:
    """Return in words what a difference says: higher, lower, or nothing, where its interval spans 0 or is none."""
    if numbers["low"] is None:
        return "one seed, no verdict"
    if numbers["low"] > 0:
        return "higher"
    return "lower" if numbers["high"] < 0 else NOTHING
