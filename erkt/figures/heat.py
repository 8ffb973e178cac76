"""What student and ensemble look at on the hardest classes, right and wrong side by side (Figure 10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erkt.figures.canvas import grid, page, plain, show


@dataclass(frozen=True)
class Look:
    """An image (3, H, W) uint8, its true class, and what each network says and looks at, a heat (H, W)."""

    image: NDArray[np.uint8]
    true: str
    networks: dict[str, tuple[str, NDArray[np.float32]]]


def heat_figure(path: Path, rows: Sequence[tuple[Look | None, Look | None]]) -> None:
    """Draw one row a class: an image on which the student is right and one on which it is wrong, or none.

    Beside each image the heat of the student and of the ensemble, each for the class that it says itself.
    """
    lines = max(len(rows), 1)
    with page(path, 7.4, 1.45 * lines + 0.3) as figure:
        cells = grid(figure, lines, 6)
        for row, looks in enumerate(rows):
            for start, look in zip((0, 3), looks, strict=True):
                if look is None:
                    continue
                show(cells[row, start], look.image, f"true: {plain(look.true)}", size=5.5)
                for column, (name, (answer, heat)) in enumerate(look.networks.items(), start + 1):
                    title, wrong = f"{name}: {plain(answer)}", answer != look.true
                    show(cells[row, column], look.image, title, size=5.5, wrong=wrong)
                    cells[row, column].imshow(heat, cmap="jet", vmin=0, vmax=1, alpha=0.45)
        words = "image, student, ensemble: where the student is right, and where it is wrong"
        figure.suptitle(words, fontsize=8)
