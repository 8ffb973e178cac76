"""What all pictures share: a file that is the same for the same content, images in a grid, and lists."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from erkt.files.replace import replace_whole

DPI = 120
COLORS = {"student": "#1f5fa8", "ensemble": "#c8641b"}
FAMILIES = ("sans-serif", "monospace")
"""What figures are written in: the second in lists."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_OTHERWISE: ContextVar[Mapping[str, str]] = ContextVar("written instead of names", default=_NOTHING)
_FONTS: ContextVar[Sequence[str]] = ContextVar("fonts beside the families", default=())
_NOTE = "class N is label N of the images' index.csv"


@contextmanager
def written_as(instead: Mapping[str, str], fonts: Sequence[str]) -> Iterator[None]:
    """Have figures write some names otherwise within the block, and look for glyphs in ``fonts`` too."""
    names, families = _OTHERWISE.set(instead), _FONTS.set(fonts)
    try:
        with matplotlib.rc_context({"font.family": [FAMILIES[0], *fonts]}):
            yield
    finally:
        _OTHERWISE.reset(names)
        _FONTS.reset(families)


@contextmanager
def page(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of so many inches; what the block draws becomes the PNG at ``path``.

    The date and versions that would change its hash are left out. Where a name is written otherwise, a line
    at the foot says so.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    yield figure
    words = " ".join(text.get_text() for text in figure.findobj(Text))
    if any(name in words for name in _OTHERWISE.get().values()):
        figure.supxlabel(_NOTE, fontsize=6)
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
    families = [FAMILIES[1], *_FONTS.get()]
    axes.text(0, 1, "\n".join(lines) or "none", va="top", fontsize=7, family=families)


def literal(name: str) -> str:
    """Return a name as matplotlib has to be given it to draw it: two dollar signs would begin mathematics."""
    return _OTHERWISE.get().get(name, name).replace("$", r"\$")


def plain(name: str) -> str:
    """Return a class's name as words, shortened to fit under a small picture, for matplotlib to draw."""
    words = _OTHERWISE.get().get(name, name).replace("_", " ")
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
