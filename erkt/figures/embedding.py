"""The student's features of test images on a map, with the classes that overlap named (the paper's Figure 11)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from erkt.figures.canvas import plain, save

_LISTED = 12


def embedding_figure(
    path: Path,
    points: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    pairs: Sequence[dict[str, Any]],
) -> None:
    """Draw ``points`` (N, 2) in the colours of their classes, names at the medians, and list ``pairs``."""
    figure = Figure(figsize=(10.5, 7.5), layout="constrained")
    axes, listed = figure.subplots(1, 2, width_ratios=[7.2, 3])
    colors = matplotlib.colormaps["turbo"](np.linspace(0.03, 0.97, len(classes)))
    for label, name in enumerate(classes):
        own = points[labels == label]
        if not len(own):
            continue
        axes.scatter(own[:, 0], own[:, 1], s=7, color=colors[label], linewidths=0)
        x, y = np.median(own, axis=0)
        box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.8}
        axes.text(x, y, plain(name), fontsize=6.5, ha="center", va="center", bbox=box)
    axes.set_xticks([])
    axes.set_yticks([])
    listed.set_axis_off()
    listed.set_title("classes among each other's\n10 nearest neighbours (%)", fontsize=8, loc="left")
    lines = [
        f"{pair['percent']:5.1f}  {plain(pair['one'])} ~ {plain(pair['other'])}" for pair in pairs[:_LISTED]
    ]
    listed.text(0, 1, "\n".join(lines) or "none", va="top", fontsize=7, family="monospace")
    save(figure, path)


def overlapping_pairs(shares: NDArray[np.float64], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return ``one``, ``other`` and the mean ``percent`` of their neighbours in each other, the most first."""
    both = 50 * (shares + shares.T)
    pairs = [
        {"one": classes[i], "other": classes[j], "percent": float(both[i, j])}
        for i in range(len(classes))
        for j in range(i + 1, len(classes))
        if both[i, j] > 0
    ]
    return sorted(pairs, key=lambda pair: (-pair["percent"], pair["one"], pair["other"]))
