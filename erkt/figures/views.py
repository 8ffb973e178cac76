"""A page of one batch of a view: each image before and after its transformation, with its draws named."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erkt.figures.canvas import grid, page, plain, rows_of, show
from erkt.views.draws import Draws

_BESIDE = 3
_NAMES = ("brightness", "contrast", "saturation")


def views_figure(
    path: Path,
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    rows: Draws,
    classes: Sequence[str],
    partners: Sequence[str],
) -> None:
    """Draw images (B, 3, H, W) with their views, the draws that made them, and the classes of both.

    ``rows`` are their B rows of draws; ``partners`` the classes of those whose pixels CutMix put in.
    """
    lines = rows_of(len(before), _BESIDE)
    with page(path, _BESIDE * 3.6, 1.5 * lines) as figure:
        cells = grid(figure, lines, 3 * _BESIDE).reshape(-1, 3)
        for place, (image, view, words) in enumerate(cells[: len(before)]):
            show(image, before[place], plain(classes[place]))
            show(view, after[place])
            named = named_draws(rows.rows(np.array([place])), before.shape[-1], partners[place])
            words.text(0, 0.98, "\n".join(named), va="top", fontsize=5.6, transform=words.transAxes)


def named_draws(row: Draws, side: int, partner: str) -> list[str]:
    """Return in words what one row of draws does, in the order in which it happens."""
    words = []
    if row.color_jitter[0]:
        words += [f"{_NAMES[i]} x {row.jitter_factors[0, i]:.2f}" for i in row.jitter_order[0]]
    if row.rotation[0]:
        words.append(f"rotated {row.rotation_angle[0]:+.0f}°")
    flips = [name for name, gate in (("↔", row.horizontal_flip), ("↕", row.vertical_flip)) if gate[0]]
    words += [f"flipped {' '.join(flips)}"] if flips else []
    words += ["gray"] if row.grayscale[0] else []
    words += ["autocontrast"] if row.autocontrast[0] else []
    for name, gate, box in (
        ("erased", row.erasing, row.erasing_box),
        ("cropped to", row.resized_crop, row.resized_crop_box),
    ):
        if gate[0]:
            words.append(f"{name} {100 * box[0, 2] * box[0, 3] / side**2:.0f} %")
    if row.cutmix[0]:
        words.append(f"{100 * row.alpha(side)[0]:.0f} % of {plain(partner)}")
    return words
