"""How far probabilities can be believed: a temperature, and the probability below which nothing is said.

Both are fitted on images that the network was not trained on. Where there are none, neither is: confidences
on training images are far too high.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from erkt.deploy.card import Calibration
from erkt.deploy.scores import Floats, Shares, probabilities
from erkt.evaluation.metrics import calibration_error
from erkt.networks.logits import check_logits

_LOG_RANGE = (np.log(0.05), np.log(20.0))

_ROUNDING = 1e-5
"""Below the lowest confidence of all, relative to it."""

Labels = NDArray[np.integer[Any]]


def calibrate(logits: Floats, labels: Labels, *, part: str, aim: float) -> Calibration:
    """Return the calibration fitted on logits (N, C) of images with labels (N,), of which ``part`` tells.

    ``aim`` is the accuracy in percent that sure predictions shall have. Raises ErktError if logits and labels
    do not fit, or there are none.
    """
    check_logits(logits, labels, "calibration")
    temperature = fit_temperature(logits, labels)
    before, after = probabilities(logits, 1.0), probabilities(logits, temperature)
    right = logits.argmax(axis=1) == labels
    threshold, coverage, accuracy = fit_threshold(after.max(axis=1), right, aim) or (None, None, None)
    return Calibration(
        part=part,
        images=len(labels),
        temperature=temperature,
        ece_before=calibration_error(before.max(axis=1), right),
        ece_after=calibration_error(after.max(axis=1), right),
        aim=aim,
        threshold=threshold,
        coverage=coverage,
        accuracy=accuracy,
    )


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """Return the temperature, 0.05 to 20, with the least negative log-likelihood of labels (N,).

    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2. The likelihood has one
    peak in the inverse temperature (it is log-concave there), so a search by sections finds it. No prediction
    changes.
    """
    # Relative to the label's: likelihoods that are 0 in float64 keep their order.
    gaps = logits.astype(np.float64) - logits[np.arange(len(labels)), labels].astype(np.float64)[:, None]

    def nll(log_temperature: float) -> float:
        return float(np.logaddexp.reduce(gaps / np.exp(log_temperature), axis=1).mean())

    found = minimize_scalar(nll, bounds=_LOG_RANGE, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def fit_threshold(
    confidence: Shares, right: NDArray[np.bool_], aim: float
) -> tuple[float, float, float] | None:
    """Return the lowest threshold at which predictions are right in ``aim`` percent, or None if none is.

    With it come coverage and accuracy in percent, of the predictions with a ``confidence`` (N,) at or above
    it; ``right`` (N,) says which are right. The risk-coverage trade of Y. Geifman, R. El-Yaniv, "Selective
    Classification for Deep Neural Networks", NIPS 2017 (arXiv:1705.08500), without their bound: on other
    images the accuracy is somewhat lower, the more so the fewer were fitted to. The threshold lies halfway to
    the next lower confidence, so that no rounding of another export moves an image across it.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    accuracy = 100 * np.cumsum(right[order]) / np.arange(1, len(ranked) + 1)
    last_of_equals = np.append(ranked[1:] < ranked[:-1], True)
    reached = np.flatnonzero((accuracy >= aim) & last_of_equals)
    if not len(reached):
        return None
    place = int(reached[-1])
    lower = ranked[place + 1] if place + 1 < len(ranked) else ranked[place] * (1 - _ROUNDING)
    return float(ranked[place] + lower) / 2, 100 * (place + 1) / len(ranked), float(accuracy[place])
