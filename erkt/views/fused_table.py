"""Draws as one table of numbers: what the fused kernels read, a row a sample."""

import math
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.params.views import ViewSettings
from erkt.views.boxes import Boxes
from erkt.views.draws import Draws, Gates

WIDTHS = {
    "jitter": 1,  # 1: some factor may differ from 1
    "share": 3,  # factors in the order in which they come
    "kind": 3,  # which they are: 0 brightness, 1 contrast, 2 saturation
    "cos": 1,  # of the rotation, over half the side
    "sin": 1,
    "mirror": 2,  # -1 or 1, along x and y
    "grayscale": 1,
    "autocontrast": 1,
    "fill": 3,  # the colour of what is erased
    "erasing": 4,  # boxes, empty where the operation does not fire
    "resized_crop": 4,
    "cutmix": 4,
}
"""Columns of the table by what they hold. Gates are 0 or 1; a box is (top, left, height, width)."""

COLUMN = dict(zip(WIDTHS, accumulate(WIDTHS.values(), initial=0), strict=False))
"""Where each of them starts."""

WIDTH = sum(WIDTHS.values())


def pack(rows: Draws, side: int, settings: ViewSettings) -> Tensor:
    """Return ``rows`` of N samples for images of ``side`` pixels as float32 (N, WIDTH), on the CPU.

    Nothing is lost: factors are float32 already, the rest are whole numbers below 2**24, and cosine and sine
    are rounded to float32 and divided as ``erkt.views.geometry`` does it, because the last bit decides ties.
    """
    count = len(rows.color_jitter)
    fill = settings.erasing.fill
    radians = [-math.radians(degrees % 360) for degrees in np.where(rows.rotation, rows.rotation_angle, 0.0)]
    factors = np.where(rows.color_jitter[:, None], rows.jitter_factors, 1.0)
    columns: dict[str, NDArray[np.generic]] = {
        "jitter": rows.color_jitter,
        "share": np.take_along_axis(factors, rows.jitter_order, axis=1),
        "kind": rows.jitter_order,
        "cos": _over([math.cos(turn) for turn in radians], side / 2),
        "sin": _over([math.sin(turn) for turn in radians], side / 2),
        "mirror": np.where(np.stack([rows.horizontal_flip, rows.vertical_flip], axis=1), -1, 1),
        "grayscale": rows.grayscale,
        "autocontrast": rows.autocontrast,
        "fill": np.tile((0.0, 0.0, 0.0) if fill == "black" else fill, (count, 1)),
        "erasing": _boxes(rows.erasing, rows.erasing_box),
        "resized_crop": _boxes(rows.resized_crop, rows.resized_crop_box),
        "cutmix": _boxes(rows.cutmix, rows.cutmix_box),
    }
    wide = [columns[name].reshape(count, width).astype(np.float32) for name, width in WIDTHS.items()]
    return torch.from_numpy(np.concatenate(wide, axis=1))


def _over(values: list[float], half: float) -> NDArray[np.float32]:
    """Return ``values`` (N,) in float32 over ``half``."""
    return (torch.tensor(values, dtype=torch.float32) / half).numpy()


def _boxes(fires: Gates, boxes: Boxes) -> Boxes:
    """Return ``boxes`` (N, 4), empty where the operation does not fire."""
    return np.where(fires[:, None], boxes, 0)
