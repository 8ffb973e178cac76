import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from erkt.deploy import scores
from erkt.deploy.calibration import calibrate, fit_temperature, fit_threshold
from erkt.errors import ErktError


def two_classes(margin: float, right: int, wrong: int) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that say class 0 with ``margin``, and labels of which so many agree."""
    logits = np.tile([margin, 0.0], (right + wrong, 1)).astype(np.float32)
    return logits, np.array([0] * right + [1] * wrong)


@pytest.mark.parametrize(("margin", "right", "wrong"), [(4.0, 9, 1), (0.5, 3, 1), (50.0, 4, 1)])
def test_the_temperature_makes_confidence_the_accuracy(margin: float, right: int, wrong: int) -> None:
    """For one margin the likelihood is highest where the sigmoid of margin / T is the share of right ones."""
    expected = margin / np.log(right / wrong)
    expected = min(expected, 20.0)
    assert fit_temperature(*two_classes(margin, right, wrong)) == pytest.approx(expected, rel=1e-3)


def test_no_other_temperature_has_a_higher_likelihood() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 200)
    logits = (rng.normal(size=(200, 5)) * 6 + 4 * np.eye(5)[labels]).astype(np.float32)

    def nll(temperature: float) -> float:
        return float(-log_softmax(logits.astype(np.float64) / temperature, axis=1)[range(200), labels].mean())

    found = fit_temperature(logits, labels)
    assert 1.5 < found < 15
    assert all(nll(found) <= nll(found * factor) for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0))


def test_the_threshold_is_the_lowest_with_which_the_aim_is_reached() -> None:
    confidence = np.array([0.5, 0.9, 0.8, 0.7, 0.6])
    right = np.array([False, True, True, False, True])
    assert fit_threshold(confidence, right, 75.0) == (pytest.approx(0.55), 80.0, 75.0)
    assert fit_threshold(confidence, right, 76.0) == (pytest.approx(0.75), 40.0, 100.0)
    assert fit_threshold(confidence, right, 50.0) == pytest.approx((0.5, 100.0, 60.0), rel=1e-4)


def test_another_exports_rounding_makes_none_of_the_fitted_images_unsure() -> None:
    for right, aim in (([True] * 3, 90.0), ([True, True, False], 90.0)):
        threshold, coverage, _ = fit_threshold(np.array([0.9, 0.8, 0.7]), np.array(right), aim) or (0, 0, 0)
        rounded = np.array([0.9, 0.8, 0.7]) - 1e-7
        assert 100 * (rounded >= threshold).mean() == pytest.approx(coverage)


def test_images_of_equal_confidence_are_sure_or_unsure_together() -> None:
    confidence = np.array([0.9, 0.8, 0.8, 0.8])
    right = np.array([True, True, True, False])
    assert fit_threshold(confidence, right, 90.0) == (pytest.approx(0.85), 25.0, 100.0)


def test_where_no_threshold_reaches_the_aim_there_is_none() -> None:
    assert fit_threshold(np.array([0.9, 0.8]), np.array([False, True]), 90.0) is None
    logits, labels = two_classes(2.0, 1, 1)
    found = calibrate(logits, labels, part="validation", aim=90.0)
    assert (found.threshold, found.coverage, found.accuracy) == (None, None, None)


def test_calibration_errors_before_and_after() -> None:
    found = calibrate(*two_classes(4.0, 9, 1), part="validation", aim=90.0)
    assert found.ece_before == pytest.approx(100 * (1 / (1 + np.exp(-4.0)) - 0.9))
    assert found.ece_after == pytest.approx(0, abs=0.05)
    assert (found.images, found.coverage, found.accuracy) == (10, 100.0, 90.0)


def test_calibration_refuses_what_is_not_finite() -> None:
    with pytest.raises(ErktError, match="calibration: the logits hold NaN"):
        calibrate(np.array([[np.nan, 0.0]]), np.array([0]), part="validation", aim=90.0)


def test_scores_are_those_of_scipy() -> None:
    logits = (np.random.default_rng(1).normal(size=(7, 4)) * 30).astype(np.float32)
    logits[0] = [1e4, 0, 0, 0]  # probabilities of exactly 0
    shares = scores.probabilities(logits, 2.5)
    np.testing.assert_allclose(shares, softmax(logits.astype(np.float64) / 2.5, axis=1), rtol=1e-12)
    np.testing.assert_allclose(scores.entropy(shares), entropy(shares, axis=1), atol=1e-12)
    assert scores.entropy(np.full((1, 4), 0.25)) == pytest.approx(np.log(4))
    assert scores.best(np.array([[0.2, 0.4, 0.4]]), 2).tolist() == [[1, 2]]
