"""How good a classifier's scores are: accuracies, kappa, calibration, and figures per class.

Percent everywhere except the likelihood, which is in nats. Nothing here chooses between models: that is
``erkt.ensemble.search``, on validation data.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from erkt.errors import ErktError
from erkt.networks.logits import Floats, Integers, check_logits

Shares = NDArray[np.float64]

BINS = 15
"""Bins of the calibration error: the usual number since Guo et al., 2017."""


def softmax(logits: Floats) -> Shares:
    """Return the softmax over the last axis in float64, whatever float type the logits have."""
    return np.asarray(special.softmax(logits.astype(np.float64), axis=-1))


def agreement(first: Integers, second: Integers) -> float:
    """Return on how many of N samples, 1 or more, labels or predictions (N,) are equal, in percent."""
    return 100 * int(np.count_nonzero(first == second)) / len(first)


def calibration(confidence: Shares, right: NDArray[np.bool_]) -> tuple[Shares, Shares, Shares]:
    """Return for each of the 15 bins its share of samples, mean confidence and accuracy, in [0, 1].

    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: bin m holds confidences in
    ((m - 1) / 15, m / 15]; an empty one has zeros. ``confidence`` (N,) in [0, 1], ``right`` (N,).
    """
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    sure, good = (
        np.bincount(bins, weights=values, minlength=BINS) / np.maximum(counts, 1)
        for values in (confidence, right)
    )
    return counts / len(confidence), sure, good


def calibration_error(confidence: Shares, right: NDArray[np.bool_]) -> float:
    """Return ECE in percent: the mean gap of confidence and accuracy over the bins of ``calibration``."""
    share, sure, good = calibration(confidence, right)
    return 100 * float((share * np.abs(good - sure)).sum())


def report(logits: Floats, labels: Integers, classes: Sequence[str]) -> dict[str, Any]:
    """Return every figure of one classifier as plain numbers, ready for JSON.

    Args:
        logits: (N, C); the prediction is the highest, the first of equals.
        labels: (N,), in [0, C).
        classes: C names, in the order of the columns.

    Returns:
        ``oa``; ``aa``, the mean recall of the classes that occur; Cohen's ``kappa``, 0 where all labels and
        predictions are one class; ``ece``; ``nll``, the mean of -log softmax at the labels; and ``per_class``
        by name: ``precision``, ``recall``, ``f1``, 0 where undefined, and ``support``, the number of samples.

    Raises:
        ErktError: shapes, labels or names do not fit, or a logit is not finite.
    """
    # Its import takes a second, which stages that only need a softmax are spared.
    from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support

    check_logits(logits, labels, "metrics")
    if len(classes) != logits.shape[1]:
        raise ErktError(f"metrics: {len(classes)} class names for {logits.shape[1]} columns of logits")
    predictions, probabilities = logits.argmax(axis=1), softmax(logits)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predictions, labels=range(len(classes)), zero_division=0
    )
    one_class = len(np.union1d(labels, predictions)) == 1
    likelihoods = special.log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels]
    return {
        "oa": agreement(labels, predictions),
        "aa": 100 * float(recall[support > 0].mean()),
        "kappa": 0.0 if one_class else 100 * float(cohen_kappa_score(labels, predictions)),
        "ece": calibration_error(probabilities.max(axis=1), predictions == labels),
        "nll": -float(likelihoods.mean()),
        "per_class": {
            name: {
                "precision": 100 * float(precision[place]),
                "recall": 100 * float(recall[place]),
                "f1": 100 * float(f1[place]),
                "support": int(support[place]),
            }
            for place, name in enumerate(classes)
        },
    }


def headline(report: dict[str, Any]) -> dict[str, float]:
    """Return the figures of a report that stand for the whole: all but ``per_class``."""
    return {name: figure for name, figure in report.items() if name != "per_class"}
