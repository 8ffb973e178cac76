"""The paired bootstrap against scipy's, against the normal limit, and where it has to fail."""

import numpy as np
import pytest
from scipy import stats

from erkt.errors import ErktError
from erkt.evaluation.paired import bootstrap


def hits(seed: int, images: int, share: float) -> np.ndarray:
    return np.random.default_rng(seed).random(images) < share


def test_one_seed_is_scipys_paired_bootstrap() -> None:
    one, other = hits(1, 400, 0.9), hits(2, 400, 0.86)
    theirs = stats.bootstrap(
        (one, other),
        lambda a, b, axis: 100 * (a.mean(axis=axis) - b.mean(axis=axis)),
        paired=True,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(4),
    ).confidence_interval
    ours = bootstrap({0: one}, {0: other}, np.random.default_rng(3))
    one_image = 100 / 400
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1.01 * one_image)


@pytest.mark.parametrize("level", [95.0, 98.75])
def test_one_seed_with_images_gained_alone_has_the_quantiles_of_the_binomial(level: float) -> None:
    one, other = np.arange(1000) < 840, np.arange(1000) < 800
    expected = stats.binom.ppf([0.5 - level / 200, 0.5 + level / 200], 1000, 0.04) / 10
    found = bootstrap({0: one}, {0: other}, np.random.default_rng(3), level)
    assert found == pytest.approx(tuple(expected), abs=0.11)
    turned = bootstrap({0: other}, {0: one}, np.random.default_rng(3), level)
    assert turned == pytest.approx(tuple(-expected[::-1]), abs=0.11)


def test_many_seeds_alike_reach_the_normal_limit() -> None:
    """Two stages of drawing: the variance over seeds, and within each seed that of its images."""
    one = {seed: hits(seed, 500, 0.9) for seed in range(60)}
    other = {seed: hits(1000 + seed, 500, 0.85) for seed in range(60)}
    differences = np.array([100 * (one[s].mean() - other[s].mean()) for s in one])
    within = [(100 * (one[s].astype(float) - other[s])).var() / 500 for s in one]
    deviation = np.sqrt((differences.var() + np.mean(within)) / 60)
    expected = differences.mean() + np.array([-1.96, 1.96]) * deviation
    assert bootstrap(one, other, np.random.default_rng(5)) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("better", range(11))
def test_classifiers_that_never_agree_have_an_interval(better: int) -> None:
    """Shares of 0.8 and 0.2 sum to a little more than 1 in floating point."""
    one = np.arange(10) < better
    low, high = bootstrap({0: one}, {0: ~one}, np.random.default_rng(0))
    assert -100 <= low <= 100 * (2 * better - 10) / 10 <= high <= 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({0: [True]}, {1: [True]}),
        ({0: [True]}, {0: [True, False]}),
        ({0: []}, {0: []}),
    ],
)
def test_what_cannot_be_paired_is_refused(one: dict, other: dict) -> None:
    arrays = [{seed: np.array(value, dtype=bool) for seed, value in run.items()} for run in (one, other)]
    with pytest.raises(ErktError, match="same seeds and as many test images"):
        bootstrap(*arrays, np.random.default_rng(0))
