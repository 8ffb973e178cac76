"""Where windows lie on a raster, and the logits of all windows that see a pixel, averaged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erkt.errors import ErktError

RowOfWindows = tuple[NDArray[np.floating[Any]], NDArray[np.bool_]]
"""Logits (N, C) of the windows in a row, and which of them (N,) have some."""


@dataclass(frozen=True)
class Axis:
    """One side of a raster of ``length`` pixels, with windows of ``window`` pixels every ``stride``.

    The last window is shifted inside, so that it ends where the raster does. Raises ErktError for a raster
    that is smaller than a window, and for a stride that leaves gaps.
    """

    length: int
    window: int
    stride: int

    def __post_init__(self) -> None:
        if not 1 <= self.window <= self.length:
            raise ErktError(f"a window of {self.window} pixels on a side of {self.length}; choose --window")
        if not 1 <= self.stride <= self.window:
            raise ErktError(f"--stride {self.stride}: expected 1 to the window, {self.window} pixels")

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The first pixel of each window, ascending."""
        last = self.length - self.window
        return np.unique(np.append(np.arange(0, last + 1, self.stride), last))

    @cached_property
    def edges(self) -> NDArray[np.int64]:
        """Where windows start or end: between two edges every pixel is seen by the same windows."""
        return np.unique(np.concatenate([self.starts, self.starts + self.window]))

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """For each pair of edges the first window that sees its pixels."""
        return np.searchsorted(self.starts, self.edges[1:] - self.window, side="left")

    @cached_property
    def after(self) -> NDArray[np.int64]:
        """For each pair of edges the number of the window after the last that sees its pixels."""
        return np.searchsorted(self.starts, self.edges[:-1], side="right")


@dataclass(frozen=True, eq=False)
class Band:
    """Rows ``top`` up to ``bottom`` of the raster, with what their pixels have in common.

    ``logits`` (cells, C) are those of the columns between two edges; ``seen`` (cells,) says where no window
    has any.
    """

    top: int
    bottom: int
    logits: NDArray[np.float64]
    seen: NDArray[np.bool_]


def averaged(rows: Axis, columns: Axis, row_of_windows: Callable[[int], RowOfWindows]) -> Iterator[Band]:
    """Yield the mean logits of the windows that see a pixel, from top to bottom.

    ``row_of_windows(i)`` is asked once for each row of windows, in order. Those that a band of pixels needs
    are held, and no others.
    """
    held: dict[int, RowOfWindows] = {}
    asked = 0
    for cell, (first, after) in enumerate(zip(rows.first, rows.after, strict=True)):
        for number in range(asked, int(after)):
            held[number] = row_of_windows(number)
        asked = max(asked, int(after))
        for number in [number for number in held if number < first]:
            del held[number]
        logits = sum(
            np.where(known[:, None], found, 0.0).astype(np.float64) for found, known in held.values()
        )
        windows = sum(known.astype(np.float64)[:, None] for _, known in held.values())
        total, count = _over_columns(np.asarray(logits), columns), _over_columns(np.asarray(windows), columns)
        seen = count[:, 0] > 0.5
        mean = total / np.maximum(count, 1)
        yield Band(int(rows.edges[cell]), int(rows.edges[cell + 1]), mean, seen)


def _over_columns(values: NDArray[np.float64], columns: Axis) -> NDArray[np.float64]:
    """Return for each pair of edges the sum of ``values`` (N, C) over the windows that see its columns."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.asarray(sums[columns.after] - sums[columns.first])
