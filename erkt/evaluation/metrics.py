"""How good a classifier's scores are: accuracies, kappa, calibration, and per-class figures.

Percent everywhere except the likelihood, which is in nats. Everything is float64 and takes stored logits of any
float type. Deliberately absent: a choice between models; that is ``erkt.ensemble.search``, on validation data.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erkt.errors import ErktError
from erkt.networks.logits import Floats, Integers, check_logits

BINS = 15
"""Bins of the calibration error: the usual number since Guo et al., 2017."""


def log_softmax(logits: Floats) -> NDArray[np.float64]:
    """Return the log of the softmax over the last axis, finite for any finite logits."""
    shifted = logits.astype(np.float64)
    shifted = shifted - shifted.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def softmax(logits: Floats) -> NDArray[np.float64]:
    """Return the softmax over the last axis; it sums to 1."""
    return np.exp(log_softmax(logits))


def confusion_matrix(labels: Integers, predictions: Integers, classes: int) -> NDArray[np.int64]:
    """Return counts (classes, classes): row = label, column = prediction.

    Args:
        labels: (N,), in [0, classes).
        predictions: (N,), in [0, classes).
        classes: the number of classes.

    Raises:
        ErktError: there is no sample, the lengths differ, or a class is out of range.
    """
    if len(labels) != len(predictions) or not len(labels):
        raise ErktError(
            f"metrics: {len(labels)} labels and {len(predictions)} predictions, expected as many, not 0"
        )
    for name, values in (("label", labels), ("prediction", predictions)):
        if values.min() < 0 or values.max() >= classes:
            raise ErktError(f"metrics: a {name} lies outside the {classes} classes")
    cells = labels.astype(np.int64) * classes + predictions
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def overall_accuracy(matrix: NDArray[np.int64]) -> float:
    """Return OA (eq. 13) in percent from a confusion matrix."""
    return 100.0 * int(matrix.trace()) / int(matrix.sum())


def average_accuracy(matrix: NDArray[np.int64]) -> float:
    """Return AA in percent: the mean recall over the classes that occur in the labels."""
    support = matrix.sum(axis=1)
    present = support > 0
    return 100.0 * float((matrix.diagonal()[present] / support[present]).mean())


def cohen_kappa(matrix: NDArray[np.int64]) -> float:
    """Return Cohen's kappa in percent; 0, no better than chance, where labels and predictions are one class.

    J. Cohen, "A Coefficient of Agreement for Nominal Scales", 1960, unweighted.
    """
    count, hits = int(matrix.sum()), int(matrix.trace())
    chance = int((matrix.sum(axis=0) * matrix.sum(axis=1)).sum())  # times count**2: integers, so exact
    return 100.0 * (count * hits - chance) / (count**2 - chance) if count**2 != chance else 0.0


def precision_recall_f1(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return precision, recall and F1 of each class in percent, (3, classes).

    A class that is never predicted has precision 0, one without a sample recall 0, and F1 is then 0 too.
    """
    hits, predicted, support = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    rates = [hits / np.maximum(predicted, 1), hits / np.maximum(support, 1)]
    rates.append(2 * hits / np.maximum(predicted + support, 1))
    return 100.0 * np.stack(rates)


def expected_calibration_error(probabilities: Floats, labels: Integers) -> float:
    """Return ECE in percent: the mean gap between confidence and accuracy over 15 bins of equal width.

    C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017: bin m holds confidences in
    ((m - 1) / 15, m / 15], and counts by its share of samples.

    Args:
        probabilities: (N, C), rows summing to 1.
        labels: (N,).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=BINS)
    return 100.0 * float(np.abs(gaps).sum()) / len(labels)


def negative_log_likelihood(logits: Floats, labels: Integers) -> float:
    """Return the mean of -log softmax(logits) at the labels, in nats; logits (N, C), labels (N,)."""
    return -float(log_softmax(logits)[np.arange(len(labels)), labels].mean())


def agreement(first: Integers, second: Integers) -> float:
    """Return the percentage of samples on which two predictions (N,) agree, right or wrong.

    Raises:
        ErktError: there is no sample, or the lengths differ.
    """
    if len(first) != len(second) or not len(first):
        raise ErktError(
            f"metrics: predictions of {len(first)} and {len(second)} samples, expected as many, not 0"
        )
    return 100.0 * float((first == second).mean())


def report(logits: Floats, labels: Integers, classes: Sequence[str]) -> dict[str, Any]:
    """Return every figure of one classifier as plain numbers, ready for JSON.

    Args:
        logits: (N, C); the prediction is the highest, the first of equals.
        labels: (N,), in [0, C).
        classes: C names, in the order of the columns.

    Returns:
        ``oa``, ``aa``, ``kappa``, ``ece`` in percent, ``nll`` in nats, and ``per_class`` with ``precision``,
        ``recall``, ``f1`` in percent and ``support``, the number of samples, for each name.

    Raises:
        ErktError: shapes, labels or names do not fit, or a logit is not finite.
    """
    check_logits(logits, labels, "metrics")
    if len(classes) != logits.shape[1]:
        raise ErktError(f"metrics: {len(classes)} class names for {logits.shape[1]} columns of logits")
    matrix = confusion_matrix(labels, logits.argmax(axis=1), len(classes))
    figures = precision_recall_f1(matrix).T.tolist()
    support = matrix.sum(axis=1).tolist()
    return {
        "oa": overall_accuracy(matrix),
        "aa": average_accuracy(matrix),
        "kappa": cohen_kappa(matrix),
        "ece": expected_calibration_error(softmax(logits), labels),
        "nll": negative_log_likelihood(logits, labels),
        "per_class": {
            name: {"precision": precision, "recall": recall, "f1": f1, "support": count}
            for name, (precision, recall, f1), count in zip(classes, figures, support, strict=True)
        },
    }
