"""Whether protocols differ: each minus a reference over the same seeds, with an interval at a stated level.

Runs that share seeds share splits, so their differences are free of what a split alone makes easy or hard. An
interval reaches, at each end, as far as the wider of two:

- Student's, on the differences of the seeds. Three seeds now and then agree by luck, and then the variance of
  one difference is far too small; so the variance is the mean over all that is compared. Where that is
  several tables, such as the points of a curve, a table that varies more than the mean has its own: short
  trainings vary more than long ones.
- The bootstrap's, on seeds and test images. With one seed it speaks of test images alone.

Both have the level 100 - 5 / count percent for ``count`` differences (O. J. Dunn, "Multiple comparisons among
means", Journal of the American Statistical Association 56, 1961: Bonferroni's inequality), so that all hold
at once with 95 %. Neither says anything about other datasets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from erkt.errors import ErktError

Bools = NDArray[np.bool_]
Bounds = tuple[float, float]

NOTHING = "no difference shown"
"""What an interval says that spans 0."""

RESAMPLES = 20_000
ERROR = 5.0
"""Percent with which one interval or more of a family may miss."""

FEWEST = 3
"""Seeds that a verdict needs."""

_NUMBERS = {1: "one seed", 2: "two seeds"}


@dataclass(frozen=True)
class Scores:
    """A figure by seed, such as OA in percent, and what ``name``, for messages, has it from.

    For a share of test images, ``hits`` says by seed of each image (N,) whether it counts, and ``images`` has
    their keys.
    """

    name: str
    by_seed: Mapping[int, float]
    hits: Mapping[int, Bools] | None = None
    images: Mapping[int, tuple[str, ...]] | None = None


@dataclass(frozen=True)
class Difference:
    """One figure minus another: by seed, and the bounds of its mean at ``level`` percent.

    ``student`` are the bounds of Student's interval with ``freedom`` degrees of freedom, None for one seed;
    ``bootstrap`` those over seeds and test images, None where these are not known.
    """

    by_seed: Mapping[int, float]
    level: float
    freedom: float
    student: Bounds | None
    bootstrap: Bounds | None

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(list(self.by_seed.values())))

    @property
    def bounds(self) -> Bounds | None:
        """The lower of the low bounds and the higher of the high ones; None without any."""
        known = [bounds for bounds in (self.student, self.bootstrap) if bounds is not None]
        return (min(low for low, _ in known), max(high for _, high in known)) if known else None

    @property
    def verdict(self) -> str:
        """Whether the first figure is ``higher`` or ``lower``, or why neither is said."""
        if len(self.by_seed) < FEWEST or self.bounds is None:
            return f"{_NUMBERS[len(self.by_seed)]}, no verdict"
        low, high = self.bounds
        if low > 0:
            return "higher"
        return "lower" if high < 0 else NOTHING

    def __neg__(self) -> "Difference":
        """Return the second figure minus the first."""
        turned = [(-bounds[1], -bounds[0]) if bounds else None for bounds in (self.student, self.bootstrap)]
        by_seed = {seed: -value for seed, value in self.by_seed.items()}
        return Difference(by_seed, self.level, self.freedom, *turned)

    def shown(self, form: str = "+.2f") -> str:
        """Return the mean and its interval, each number in the format ``form``."""
        text = f"{self.mean:{form}}"
        if self.bounds is not None:
            text += f" [{self.bounds[0]:{form}}, {self.bounds[1]:{form}}]"
        return text if self.student or not self.bootstrap else f"{text} (test images alone)"

    def row(self) -> dict[str, Any]:
        """Return the numbers by name: ``difference``, the bounds, ``level``, ``freedom``, ``verdict``."""
        found: dict[str, Any] = {"difference": self.mean}
        for prefix, bounds in (("", self.bounds), ("student_", self.student), ("bootstrap_", self.bootstrap)):
            found |= dict(zip((f"{prefix}low", f"{prefix}high"), bounds or (None, None), strict=True))
        freedom = self.freedom if self.student else None
        return found | {"level": self.level, "freedom": freedom, "verdict": self.verdict}


COLUMNS = tuple(Difference({0: 0.0}, 0.0, 0.0, None, None).row())
"""The names of the numbers of a difference."""


def against(first: Scores, others: Mapping[str, Scores], count: int | None = None) -> dict[str, Difference]:
    """Return each of ``others`` minus ``first``; see ``in_tables``."""
    return in_tables([(first, others)], count)[0]


def in_tables(
    tables: Sequence[tuple[Scores, Mapping[str, Scores]]], count: int | None = None
) -> list[dict[str, Difference]]:
    """Return for each table, a reference and others, these minus the reference, by name.

    The variance is the mean over all tables, which count as independent of each other, or over one table
    where that is larger. ``count`` is the number of differences for which the level is corrected: if None, as
    many as are returned. Give it where more are planned than there are yet, or a level changes as they come.

    Raises ErktError if a run has no seed, or others than its reference, or other test images, and if a table
    has more seeds than another.
    """
    differences = [{name: _by_seed(one, first) for name, one in others.items()} for first, others in tables]
    each = [by_seed for table in differences for by_seed in table.values()]
    if not each:
        return [{} for _ in tables]
    runs = len(each[0])
    if any(len(by_seed) != runs for by_seed in each):
        raise ErktError("differences whose variance is pooled need the same number of seeds")
    level = corrected(count or len(each))
    freedom = (runs - 1) * _independent([len(table) for table in differences])
    found: list[dict[str, Difference]] = [{} for _ in tables]
    for (first, others), table, row in zip(tables, differences, found, strict=True):
        reach = 0.0
        if runs > 1 and table:
            variance = max(_mean_variance(each), _mean_variance(list(table.values())))
            reach = float(student_t.ppf(0.5 + level / 200, freedom) * np.sqrt(variance / runs))
        for name, by_seed in table.items():
            mean = float(np.mean(list(by_seed.values())))
            student = (mean - reach, mean + reach) if runs > 1 else None
            drawn = _drawn(others[name], first, level)
            row[name] = Difference(by_seed, level, freedom, student, drawn)
    return found


def corrected(count: int) -> float:
    """Return the level in percent of each of ``count`` intervals that hold at once with 95 %."""
    return 100.0 - ERROR / count


def explained(differences: Sequence[Difference]) -> str:
    """Return in words what the intervals of all ``differences`` of a table are, at least one."""
    first, rows = differences[0], len(differences)
    count = round(ERROR / (100.0 - first.level))
    level = "95 %"
    if count > 1:
        level = f"{first.level:.4g} %, which is 100 - {ERROR:g} / {count}, for {count} rows (Bonferroni)"
    pooled = f", its variance pooled over the {rows} rows" if rows > 1 else ""
    kinds = [f"Student's ({first.freedom:.3g} degrees of freedom{pooled})"] if first.student else []
    if first.bootstrap:
        kinds.append(f"the bootstrap over {'seeds and ' if first.student else ''}test images")
    wider = "reaches at each end as far as the wider of two: " if len(kinds) > 1 else "is "
    return (
        f"Differences are paired over the seeds, with an interval at {level}. It {wider}"
        f"{' and '.join(kinds)}. A verdict needs {FEWEST} seeds, and an interval without 0."
    )


def bootstrap(
    one: Mapping[int, Bools], other: Mapping[int, Bools], rng: np.random.Generator, level: float = 95.0
) -> Bounds:
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


def _mean_variance(differences: Sequence[Mapping[int, float]]) -> float:
    return float(np.mean([np.var(list(by_seed.values()), ddof=1) for by_seed in differences]))


def _drawn(one: Scores, first: Scores, level: float) -> Bounds | None:
    if one.hits is None or first.hits is None:
        return None
    return bootstrap(one.hits, first.hits, np.random.default_rng(0), level)


def _by_seed(one: Scores, first: Scores) -> dict[int, float]:
    if not one.by_seed or one.by_seed.keys() != first.by_seed.keys():
        named = [", ".join(map(str, sorted(scores.by_seed))) or "none" for scores in (one, first)]
        raise ErktError(
            f"{one.name} and {first.name}: differences are paired by seed, but the seeds are {named[0]} and "
            f"{named[1]}; run both on the same"
        )
    for seed, images in (one.images or {}).items():
        if first.images is not None and images != first.images[seed]:
            raise ErktError(f"{one.name} and {first.name} have other test images at seed {seed}")
    return {seed: one.by_seed[seed] - first.by_seed[seed] for seed in sorted(one.by_seed)}


def _independent(sizes: Sequence[int]) -> float:
    """Return as how many independent variances the mean variance of the differences counts.

    F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
    Bulletin 2, 1946: (sum of L)^2 / (sum of L^2), with L the eigenvalues of the differences' covariance. Of a
    table with ``m`` differences, whose rows are independent and vary alike, they are m - 1 times 1, and m + 1
    for the reference, which all differences share. So one difference counts as 1, and many as nearly 4: to
    add up their degrees of freedom would be to count the reference again and again.
    """
    return (2 * sum(sizes)) ** 2 / sum((size - 1) + (size + 1) ** 2 for size in sizes if size)
