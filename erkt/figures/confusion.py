"""Confusion matrices: whole, and as the paper's Figure 9 without the classes that are easy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from erkt.figures.canvas import plain, save

EASY = 98.0
"""Recall in percent above which the paper leaves a class out of Figure 9."""

_LISTED = 20


def confusion_figure(path: Path, confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
    """Draw a confusion matrix (C, C) of counts to a PNG at ``path``, rows (true classes) in percent."""
    percent = _percent(confusion)
    size = max(4.0, 0.32 * len(classes) + 2)
    figure = Figure(figsize=(size, size), layout="constrained")
    _draw(figure.subplots(), percent, list(classes), list(classes))
    save(figure, path)


def hard_classes_figure(path: Path, confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
    """Draw the rows of classes with a recall of 98 % or less, and beside it the most confused pairs.

    Columns are these classes, and those that they are taken for. A picture without a row says that all are easy.
    """
    percent = _percent(confusion)
    there = percent.sum(axis=1) > 0
    rows: list[int] = np.flatnonzero(there & (percent.diagonal() <= EASY)).tolist()
    taken: list[int] = np.flatnonzero((percent[rows] > 0).any(axis=0)).tolist()
    columns = sorted({*rows, *taken})
    pairs = confused_pairs(confusion, classes)[:_LISTED]
    height = max(3.0, 0.32 * len(rows) + 2, 0.2 * len(pairs) + 1)
    figure = Figure(figsize=(max(4.0, 0.32 * len(columns) + 2) + 3.6, height), layout="constrained")
    matrix, listed = figure.subplots(1, 2, width_ratios=[max(4.0, 0.32 * len(columns) + 2), 3.6])
    if rows:
        _draw(
            matrix, percent[np.ix_(rows, columns)], [classes[i] for i in rows], [classes[i] for i in columns]
        )
    else:
        matrix.set_axis_off()
        matrix.text(0.5, 0.5, f"every class has a recall above {EASY:g} %", ha="center", va="center")
    listed.set_axis_off()
    listed.set_title("most confused: true, taken for", fontsize=8, loc="left")
    lines = [f"{p['percent']:5.1f} %  {plain(p['true'])} > {plain(p['predicted'])}" for p in pairs]
    listed.text(0, 1, "\n".join(lines) or "none", va="top", fontsize=7, family="monospace")
    save(figure, path)


def confused_pairs(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return ``true``, ``predicted``, ``images`` and ``percent`` of the true class, the most frequent first."""
    counts, percent = np.asarray(confusion), _percent(confusion)
    pairs = [
        {
            "true": classes[row],
            "predicted": classes[column],
            "images": int(counts[row, column]),
            "percent": float(percent[row, column]),
        }
        for row, column in zip(*counts.nonzero(), strict=True)
        if row != column
    ]
    return sorted(pairs, key=lambda pair: (-pair["percent"], pair["true"], pair["predicted"]))


def _percent(confusion: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    counts = np.asarray(confusion, dtype=float)
    return np.asarray(100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def _draw(axes: Axes, percent: NDArray[np.float64], rows: list[str], columns: list[str]) -> None:
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(columns)), columns, rotation=90)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    for row, column in zip(*percent.nonzero(), strict=True):
        color = "white" if percent[row, column] > 50 else "black"
        text = f"{percent[row, column]:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=6, color=color)
