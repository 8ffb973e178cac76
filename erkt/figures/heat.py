"""What student and ensemble look at on the most confused classes, right and wrong side by side (Figure 10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from erkt.figures.canvas import grid, plain, save, show


@dataclass(frozen=True)
class Look:
    """An image (3, H, W) uint8 with its true class, what student and ensemble say, and their heat (H, W)."""

    image: NDArray[np.uint8]
    true: str
    student: str
    ensemble: str
    student_heat: NDArray[np.float32]
    ensemble_heat: NDArray[np.float32]


def heat_figure(path: Path, rows: Sequence[tuple[Look | None, Look | None]]) -> None:
    """Draw one row a class: an image on which the student is right and one on which it is wrong, or none.

    Beside each image the heat of the student and of the ensemble, each for the class that it says itself.
    """
    figure = Figure(figsize=(7.4, 1.45 * max(len(rows), 1) + 0.3), layout="constrained")
    cells = grid(figure, max(len(rows), 1), 6)
    for line, pair in zip(cells, rows, strict=False):
        for start, look in zip((0, 3), pair, strict=True):
            if look is not None:
                _draw(line[start : start + 3], look)
    figure.suptitle("image, student, ensemble: where the student is right, and where it is wrong", fontsize=8)
    save(figure, path)


def _draw(line: Sequence[Axes], look: Look) -> None:
    said = {"student": look.student, "ensemble": look.ensemble}
    show(line[0], look.image, f"true: {plain(look.true)}", size=5.5)
    for axes, (name, answer), heat in zip(
        line[1:], said.items(), (look.student_heat, look.ensemble_heat), strict=True
    ):
        show(axes, look.image, f"{name}: {plain(answer)}", size=5.5, wrong=answer != look.true)
        axes.imshow(heat, cmap="jet", vmin=0, vmax=1, alpha=0.45)
