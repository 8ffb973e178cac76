"""What all pictures share: a file that is the same for the same content, and pictures of scenes in a grid."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from erkt.files.replace import replace_whole

DPI = 120
STUDENT, ENSEMBLE = "#1f5fa8", "#c8641b"


def save(figure: Figure, path: Path) -> None:
    """Write ``figure`` as a PNG to ``path``, without the date and versions that would change its hash."""
    with replace_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def show(
    axes: Axes, image: NDArray[np.uint8], title: str = "", *, size: float = 6, wrong: bool = False
) -> None:
    """Draw an image (3, H, W) in ``axes`` without ticks; a title of a wrong prediction is red."""
    axes.set_axis_on()
    axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    if title:
        axes.set_title(title, fontsize=size, pad=2, color="#b00020" if wrong else "black")


def plain(name: str) -> str:
    """Return a class's name as words, shortened to fit under a small picture."""
    words = name.replace("_", " ")
    return words if len(words) <= 22 else f"{words[:20]}…"


def rows_of(count: int, columns: int) -> int:
    """Return how many rows of ``columns`` hold ``count`` pictures."""
    return -(-count // columns)


def grid(figure: Figure, rows: int, columns: int) -> list[list[Axes]]:
    """Return the axes of a grid, rows of them, hidden until something is shown in them."""
    axes = figure.subplots(rows, columns, squeeze=False).tolist()
    for row in axes:
        for one in row:
            one.set_axis_off()
    return list(axes)
