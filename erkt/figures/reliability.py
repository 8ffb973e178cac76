"""A reliability diagram: how often a prediction of a given confidence is right, in the bins of the ECE."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erkt.evaluation.metrics import BINS, calibration, calibration_error
from erkt.figures.canvas import COLORS, page


def reliability_figure(
    path: Path, curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]
) -> None:
    """Draw the curves of ``student`` and ``ensemble``: confidence (N,) in [0, 1], and whether right (N,)."""
    with page(path, 5.2, 5.6) as figure:
        accuracy, count = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        accuracy.plot([0, 100], [0, 100], color="0.7", linewidth=1, label="as sure as right")
        for name, curve in curves.items():
            share, sure, good = (100 * values for values in calibration(*curve))
            used, color = share > 0, COLORS[name]
            label = f"{name}, ECE {calibration_error(*curve):.2f} %"
            accuracy.plot(sure[used], good[used], "o-", color=color, markersize=4, label=label)
            count.stairs(share, np.linspace(0, 100, BINS + 1), color=color)
        accuracy.set_ylabel("right (%)")
        accuracy.legend(loc="lower right", fontsize=8)
        count.set_ylabel("images (%)", fontsize=8)
        count.set_xlabel("confidence (%)")
        accuracy.set_xlim(0, 100)
        accuracy.set_ylim(0, 100)
