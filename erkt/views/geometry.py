"""Geometric operations on batches: rotation with flips, resized crop.

Images are float32 (B, 3, S, S) in [0, 1], on a CPU. Results equal torchvision's functional forms on single
images bit for bit, whatever the batch and the number of threads. For the nearest-neighbour rotation this
rests on the sequence of float32 roundings, which decides ties: base coordinates in pixels, cosine and sine
divided by half the side before they are multiplied, two products, one sum. Torchvision takes them from a
matrix product, which leaves that sequence to the library at hand: where a CPU's fuses it (and on a GPU with
TF32) torchvision's ties fall otherwise, and ours stay.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from erkt.views.boxes import Boxes


def rotate_and_flip(
    images: Tensor, angle: NDArray[np.float64], horizontal: NDArray[np.bool_], vertical: NDArray[np.bool_]
) -> Tensor:
    """Return ``images`` rotated, then flipped where asked: nearest neighbour, 0 for what comes from outside.

    ``angle`` (B,) is in degrees, counter-clockwise; ``horizontal`` and ``vertical`` (B,) ask for flips. A
    flip negates coordinates exactly, so one look-up does all three.
    """
    side = images.shape[-1]
    radians = [-math.radians(degrees % 360) for degrees in angle.tolist()]
    cos = _column([math.cos(turn) for turn in radians]) / (side / 2)
    sin = _column([math.sin(turn) for turn in radians]) / (side / 2)
    base = torch.arange(side) - (side - 1) / 2
    x = base.view(1, 1, side) * _column([-1.0 if flip else 1.0 for flip in horizontal])
    y = base.view(1, side, 1) * _column([-1.0 if flip else 1.0 for flip in vertical])
    grid = torch.empty(len(images), side, side, 2)
    torch.add(x * cos, y * sin, out=grid[..., 0])
    torch.add(x * -sin, y * cos, out=grid[..., 1])
    return F.grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def resized_crop(images: Tensor, boxes: Boxes, size: int) -> Tensor:
    """Return the crops ``boxes`` (B, 4) of ``images``, resized to ``size`` pixels and back to the full side.

    Bilinear with antialiasing both times.
    """
    crops = [
        _resize(image[None, :, top : top + height, left : left + width], size)
        for image, (top, left, height, width) in zip(images, boxes.tolist(), strict=True)
    ]
    return _resize(torch.cat(crops), images.shape[-1])


def _column(values: list[float]) -> Tensor:
    """Return one float32 for each image, (B, 1, 1)."""
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)


def _resize(images: Tensor, size: int) -> Tensor:
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
