import math
import statistics

import pytest
from scipy import stats

from erkt.report.estimates import estimate


def wilson(right: int, of: int) -> tuple[float, float]:
    """Equation 4 of Wilson's paper, in percent."""
    z = statistics.NormalDist().inv_cdf(0.975)
    share = right / of
    middle, reach = share + z**2 / (2 * of), z * math.sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    return tuple(100 * (middle + sign * reach) / (1 + z**2 / of) for sign in (-1, 1))  # type: ignore[return-value]


@pytest.mark.parametrize(("right", "of"), [(0, 7), (7, 7), (779, 840), (1, 1)])
def test_one_run_has_wilsons_interval_and_no_deviation(right: int, of: int) -> None:
    found = estimate([right], [of])
    assert found is not None
    assert (found.mean, found.std, found.runs, found.images) == (100 * right / of, None, 1, of)
    assert (found.low, found.high) == pytest.approx(wilson(right, of), abs=1e-9)


def test_several_runs_that_differ_have_students_interval() -> None:
    found = estimate([50, 70, 90], [100, 100, 100])
    assert found is not None
    low, high = stats.t.interval(0.95, 2, loc=70, scale=20 / math.sqrt(3))
    assert (found.mean, found.std) == (70, pytest.approx(20))
    assert (found.low, found.high) == pytest.approx((low, min(high, 100)))


def test_several_runs_that_agree_are_not_surer_than_the_images_of_one() -> None:
    found = estimate([9, 9, 9], [10, 10, 10])
    assert found is not None
    assert (found.low, found.high) == pytest.approx(wilson(9, 10))


def test_runs_without_an_image_do_not_count() -> None:
    assert estimate([0, 0], [0, 0]) is None
    assert estimate([0, 3], [0, 4]) == estimate([3], [4])
