"""A reliability diagram: how often a prediction of a given confidence is right.

C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017; the bins are those of the ECE.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from erkt.evaluation.metrics import BINS
from erkt.figures.canvas import ENSEMBLE, STUDENT, save

_COLORS = {"student": STUDENT, "ensemble": ENSEMBLE}


def reliability_figure(
    path: Path, curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]
) -> None:
    """Draw the curves of ``student`` and ``ensemble``: confidence (N,) in [0, 1] and whether it is right (N,)."""
    figure = Figure(figsize=(5.2, 5.6), layout="constrained")
    accuracy, count = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    accuracy.plot([0, 100], [0, 100], color="0.7", linewidth=1, label="as sure as right")
    for name, (confidence, right) in curves.items():
        share, sure, good = calibration_bins(confidence, right)
        ece = 100 * float((share * np.abs(good - sure)).sum())
        used = share > 0
        label = f"{name}, ECE {ece:.2f} %"
        accuracy.plot(
            100 * sure[used], 100 * good[used], "o-", color=_COLORS[name], markersize=4, label=label
        )
        edges = np.linspace(0, 100, BINS + 1)
        count.stairs(100 * share, edges, color=_COLORS[name])
    accuracy.set_ylabel("right (%)")
    accuracy.legend(loc="lower right", fontsize=8)
    count.set_ylabel("images (%)", fontsize=8)
    count.set_xlabel("confidence (%)")
    accuracy.set_xlim(0, 100)
    accuracy.set_ylim(0, 100)
    save(figure, path)


def calibration_bins(
    confidence: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return for each of the 15 bins of the ECE its share of samples, mean confidence, and accuracy.

    All (15,) in [0, 1]; an empty bin has zeros. ``confidence`` (N,) in [0, 1], ``right`` (N,).
    """
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    sure, good = (
        np.bincount(bins, weights=values, minlength=BINS) / np.maximum(counts, 1)
        for values in (confidence, right)
    )
    return counts / len(confidence), sure, good
