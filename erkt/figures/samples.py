"""Images of every class, and of the pairs that are confused most, to see what a network has to tell apart."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from erkt.figures.canvas import grid, page, plain, rows_of

Pictures = Sequence[NDArray[np.uint8]]

MOST = 120
_BESIDE = 3
_GAP = 2  # pixels between images, at their own size


def samples_figure(path: Path, classes: Mapping[str, Pictures]) -> None:
    """Draw the images (3, H, W) of each class in a strip under its name, three strips a row.

    Of more than ``MOST`` classes these are the first ones.
    """
    classes = dict(islice(classes.items(), MOST))
    width = max(len(pictures) for pictures in classes.values())
    lines = rows_of(len(classes), _BESIDE)
    with page(path, _BESIDE * (0.75 * width + 0.15), 0.95 * lines) as figure:
        for axes, (name, pictures) in zip(grid(figure, lines, _BESIDE).flat, classes.items(), strict=False):
            _strip(axes, plain(name), pictures, width)


def pairs_figure(path: Path, pairs: Sequence[tuple[str, str]], classes: Mapping[str, Pictures]) -> None:
    """Draw a row a pair: images of the true class, and of the class that it is taken for."""
    width = max((len(classes[name]) for pair in pairs for name in pair), default=1)
    lines = max(len(pairs), 1)
    with page(path, 1.5 * width + 0.4, lines + 0.2) as figure:
        for (left, right), (true, taken) in zip(grid(figure, lines, 2), pairs, strict=False):
            _strip(left, plain(true), classes[true], width)
            _strip(right, f"taken for {plain(taken)}", classes[taken], width)


def _strip(axes: Axes, title: str, pictures: Pictures, width: int) -> None:
    """Draw ``pictures`` side by side as one, with room for ``width`` of them."""
    side = pictures[0].shape[-1] if pictures else 1
    strip = np.full((side, width * (side + _GAP) - _GAP, 3), 255, np.uint8)
    for place, picture in enumerate(pictures):
        strip[:, place * (side + _GAP) :][:, :side] = picture.transpose(1, 2, 0)
    axes.imshow(strip, interpolation="nearest")
    axes.set_title(title, fontsize=6.5, loc="left", pad=2)
