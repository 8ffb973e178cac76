"""Confusion matrices: whole, and as the paper's Figure 9 without the classes that are easy."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from erkt.figures.canvas import listing, page, plain

EASY = 98.0
"""Recall in percent above which the paper leaves a class out of Figure 9."""

_LISTED = 20
NAMED = 100
"""Classes on a side up to which each has its name and its numbers; of more, so many names are shown."""

Counts = NDArray[np.int64]


def confusion_figure(path: Path, confusion: Counts, classes: Sequence[str]) -> None:
    """Draw a confusion matrix (C, C) of counts to a PNG at ``path``, rows (true classes) in percent."""
    size = _inches(len(classes))
    every = np.arange(len(classes))
    with page(path, size, size) as figure:
        _draw(figure.subplots(), confusion, classes, every, every)


def hard_classes_figure(path: Path, confusion: Counts, classes: Sequence[str]) -> None:
    """Draw the rows of classes with a recall of 98 % or less, and beside it the most confused pairs.

    Columns are these classes, and those that they are taken for. Without a row the picture says so.
    """
    percent = _percent(confusion)
    rows = np.flatnonzero((percent.sum(axis=1) > 0) & (percent.diagonal() <= EASY))
    columns = np.union1d(rows, np.flatnonzero(percent[rows].any(axis=0)))
    pairs = confused_pairs(confusion, classes)[:_LISTED]
    tall = 0.32 * min(len(rows), NAMED) + 2
    width, height = _inches(len(columns)), max(3.0, tall, 0.2 * len(pairs) + 1)
    with page(path, width + 3.6, height) as figure:
        matrix, listed = figure.subplots(1, 2, width_ratios=[width, 3.6])
        if len(rows):
            _draw(matrix, confusion, classes, rows, columns)
        else:
            matrix.set_axis_off()
            matrix.text(0.5, 0.5, f"every class has a recall above {EASY:g} %", ha="center", va="center")
        lines = [f"{p['percent']:5.1f} %  {plain(p['true'])} > {plain(p['predicted'])}" for p in pairs]
        listing(listed, "most confused: true, taken for", lines)


def confused_pairs(confusion: Counts, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return ``true``, ``predicted``, ``images`` and ``percent`` of the true class, the most first."""
    percent = _percent(confusion)
    pairs = [
        {
            "true": classes[row],
            "predicted": classes[column],
            "images": int(confusion[row, column]),
            "percent": float(percent[row, column]),
        }
        for row, column in np.argwhere(confusion)
        if row != column
    ]
    return sorted(pairs, key=lambda pair: (-pair["percent"], pair["true"], pair["predicted"]))


def _inches(classes: int) -> float:
    return max(4.0, 0.32 * min(classes, NAMED) + 2)


def _percent(confusion: Counts) -> NDArray[np.float64]:
    return np.asarray(100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1))


def _draw(axes: Axes, confusion: Counts, classes: Sequence[str], rows: Counts, columns: Counts) -> None:
    percent = _percent(confusion)[np.ix_(rows, columns)]
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    shown = [range(0, len(one), -(-len(one) // NAMED)) for one in (columns, rows)]
    names = _names(classes)
    axes.set_xticks(shown[0], [names[columns[place]] for place in shown[0]], rotation=90)
    axes.set_yticks(shown[1], [names[rows[place]] for place in shown[1]])
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if max(len(rows), len(columns)) > NAMED:
        return
    for row, column in np.argwhere(percent):
        share = percent[row, column]
        color = "white" if share > 50 else "black"
        axes.text(column, row, _whole(share), ha="center", va="center", fontsize=6, color=color)


def _names(classes: Sequence[str]) -> list[str]:
    """Return the names as they are drawn, numbered where several are cut to the same."""
    cut = [plain(name) for name in classes]
    times = Counter(cut)
    return [name if times[name] == 1 else f"{number}: {name}" for number, name in enumerate(cut)]


def _whole(percent: float) -> str:
    """Return a share above 0 without decimals; only what is all of a class is 100."""
    if percent <= 0.5:  # which is rounded to 0 too
        return "<1"
    return "99" if 99 < percent < 100 else f"{percent:.0f}"
