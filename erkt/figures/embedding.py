"""The student's features of test images on a map, and the classes that overlap (the paper's Figure 11)."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

from erkt.figures.canvas import listing, page, plain

_LISTED = 12


def embedding_figure(
    path: Path,
    points: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    pairs: Sequence[dict[str, Any]],
) -> None:
    """Draw ``points`` (N, 2) in the colours of their classes, names at the medians, and list ``pairs``."""
    colors = matplotlib.colormaps["turbo"](np.linspace(0.03, 0.97, len(classes)))
    box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.8}
    with page(path, 10.5, 7.5) as figure:
        axes, listed = figure.subplots(1, 2, width_ratios=[7.2, 3])
        for label in np.unique(labels):
            own = points[labels == label]
            axes.scatter(own[:, 0], own[:, 1], s=7, color=colors[label], linewidths=0)
            x, y = np.median(own, axis=0)
            axes.text(x, y, plain(classes[label]), fontsize=6.5, ha="center", va="center", bbox=box)
        axes.set_xticks([])
        axes.set_yticks([])
        shown = pairs[:_LISTED]
        lines = [f"{pair['percent']:5.1f}  {plain(pair['one'])} ~ {plain(pair['other'])}" for pair in shown]
        listing(listed, "classes among each other's\n10 nearest neighbours (%)", lines)


def overlapping_pairs(shares: NDArray[np.float64], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return ``one``, ``other`` and the mean ``percent`` of neighbours in each other, the most first."""
    both = 50 * (shares + shares.T)
    pairs = [
        {"one": classes[one], "other": classes[other], "percent": float(both[one, other])}
        for one, other in combinations(range(len(classes)), 2)
        if both[one, other] > 0
    ]
    return sorted(pairs, key=lambda pair: (-pair["percent"], pair["one"], pair["other"]))
