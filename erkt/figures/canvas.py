"""What all pictures share: a file that is the same for the same content, images in a grid, and lists."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from erkt.files.replace import replace_whole

DPI = 120
COLORS = {"student": "#1f5fa8", "ensemble": "#c8641b"}


@contextmanager
def page(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of so many inches; what the block draws becomes the PNG at ``path``.

    The date and versions that would change its hash are left out.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    yield figure
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


def listing(axes: Axes, title: str, lines: Sequence[str]) -> None:
    """Write ``lines`` under ``title``, without axes."""
    axes.set_axis_off()
    axes.set_title(title, fontsize=8, loc="left")
    axes.text(0, 1, "\n".join(lines) or "none", va="top", fontsize=7, family="monospace")


def literal(name: str) -> str:
    """Return a name as matplotlib has to be given it to draw it: two dollar signs would begin mathematics."""
    return name.replace("$", r"\$")


def plain(name: str) -> str:
    """Return a class's name as words, shortened to fit under a small picture, for matplotlib to draw."""
    words = name.replace("_", " ")
    return literal(words if len(words) <= 22 else f"{words[:20]}…")


def rows_of(count: int, columns: int) -> int:
    """Return how many rows of ``columns`` hold ``count`` pictures, at least one."""
    return max(-(-count // columns), 1)


def grid(figure: Figure, rows: int, columns: int) -> Any:  # noqa: ANN401  # an array of axes has no type
    """Return the axes of a grid, an array (rows, columns), hidden until something is shown in them."""
    axes: Any = figure.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        one.set_axis_off()
    return axes
