"""Pictures of results, drawn without a display."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from erkt.files import replace_whole


def confusion_figure(path: Path, confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
    """Draw a confusion matrix (C, C) of counts to a PNG at ``path``, rows (true classes) in percent."""
    counts = np.asarray(confusion, dtype=float)
    percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = max(4.0, 0.32 * len(classes) + 2)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(classes)), classes, rotation=90)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    for row, column in zip(*percent.nonzero(), strict=True):
        color = "white" if percent[row, column] > 50 else "black"
        text = f"{percent[row, column]:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=6, color=color)
    with replace_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None})
