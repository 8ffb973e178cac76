"""The paired bootstrap against scipy's, against the normal limit, and where it has to fail."""

import numpy as np
import pytest
from scipy import stats

from erkt.errors import ErktError
from erkt.evaluation.bootstrap import interval


def hits(seed: int, images: int, share: float) -> np.ndarray:
    return np.random.default_rng(seed).random(images) < share


def test_one_seed_is_scipys_paired_bootstrap() -> None:
    one, other = hits(1, 400, 0.9), hits(2, 400, 0.86)
    ours = interval({0: one}, {0: other}, np.random.default_rng(3), resamples=40_000)
    theirs = stats.bootstrap(
        (one, other),
        lambda a, b, axis: 100 * (a.mean(axis=axis) - b.mean(axis=axis)),
        paired=True,
        method="percentile",
        n_resamples=40_000,
        rng=np.random.default_rng(4),
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.15)


def test_many_seeds_alike_reach_the_normal_limit() -> None:
    """Two stages of drawing: the variance over seeds, and within each seed that of its images."""
    one = {seed: hits(seed, 500, 0.9) for seed in range(60)}
    other = {seed: hits(1000 + seed, 500, 0.85) for seed in range(60)}
    differences = np.array([100 * (one[s].mean() - other[s].mean()) for s in one])
    within = [(100 * (one[s].astype(float) - other[s])).var() / 500 for s in one]
    deviation = np.sqrt((differences.var() + np.mean(within)) / 60)
    expected = differences.mean() + np.array([-1.96, 1.96]) * deviation
    assert interval(one, other, np.random.default_rng(5)) == pytest.approx(expected, abs=0.05)


def test_a_classifier_against_itself_differs_by_nothing() -> None:
    one = {0: hits(1, 50, 0.7), 1: hits(2, 60, 0.7)}
    assert interval(one, one, np.random.default_rng(0)) == (0.0, 0.0)


@pytest.mark.parametrize("better", range(11))
def test_classifiers_that_never_agree_have_an_interval(better: int) -> None:
    """Shares of 0.8 and 0.2 sum to a little more than 1 in floating point."""
    one = np.arange(10) < better
    low, high = interval({0: one}, {0: ~one}, np.random.default_rng(0))
    assert -100 <= low <= 100 * (2 * better - 10) / 10 <= high <= 100


def test_swapping_the_classifiers_mirrors_the_interval() -> None:
    one, other = {0: hits(1, 300, 0.9)}, {0: hits(2, 300, 0.8)}
    low, high = interval(one, other, np.random.default_rng(0), resamples=50_000)
    assert interval(other, one, np.random.default_rng(1), resamples=50_000) == pytest.approx(
        (-high, -low), abs=0.4
    )


def test_images_in_common_narrow_the_interval() -> None:
    """Paired: what both get right or wrong says nothing about their difference."""
    one = hits(1, 1000, 0.8)
    other = one.copy()
    other[:20] = ~other[:20]
    low, high = interval({0: one}, {0: other}, np.random.default_rng(0))
    assert high - low < 2 * 1.96 * 100 * np.sqrt(20 / 1000 / 1000) * 1.1


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({}, {}, "at least one"),
        ({0: [True]}, {1: [True]}, "the same seeds"),
        ({0: [True]}, {0: [True, False]}, "1 and 2 images at seed 0"),
        ({0: []}, {0: []}, "0 and 0 images"),
    ],
)
def test_what_cannot_be_paired_is_refused(one: dict, other: dict, message: str) -> None:
    arrays = [{seed: np.array(value, dtype=bool) for seed, value in run.items()} for run in (one, other)]
    with pytest.raises(ErktError, match=message):
        interval(*arrays, np.random.default_rng(0))
