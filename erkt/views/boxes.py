"""Boxes for erasing, resized crop and CutMix from uniform numbers.

A box is ``(top, left, height, width)`` in pixels of a square image, int64; it is empty where height or width
is 0. The distributions are those of torchvision's ``RandomErasing``, ``RandomResizedCrop`` and v2 ``CutMix``
(S. Yun et al., "CutMix", ICCV 2019). Where those loop until a try is valid, every sample has its ten tries
here and the first valid one wins, so that each consumes the same amount of random numbers. All is computed
in float64 and rounded to pixels, so that the last bit of a machine's ``exp`` decides nothing.
"""

import math

import numpy as np
from numpy.typing import NDArray

Uniform = NDArray[np.float64]
Boxes = NDArray[np.int64]

TRIES = 10


def erasing_boxes(
    uniform: Uniform, side: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> Boxes:
    """Return erasing boxes (N, 4) from ``uniform`` (N, TRIES, 4) in [0, 1) for images of ``side`` pixels.

    ``scale`` is the range of the erased share of the area, ``ratio`` that of height to width (log-uniform). A
    try is valid if both sides are shorter than the image's; without a valid try the box is empty.
    """
    height, width = _extents(uniform, side, scale, ratio)
    return _first(_placed(uniform, side, height, width), (height < side) & (width < side), (0, 0, 0, 0))


def crop_boxes(uniform: Uniform, side: int, scale: tuple[float, float], ratio: tuple[float, float]) -> Boxes:
    """Return crop boxes (N, 4) from ``uniform`` (N, TRIES, 4) in [0, 1) for images of ``side`` pixels.

    ``scale`` is the range of the cropped share of the area, ``ratio`` that of width to height (log-uniform).
    A try is valid if it lies inside the image and is not empty; without a valid try the box is the largest
    central one whose ratio lies in range.
    """
    width, height = _extents(uniform, side, scale, ratio)
    valid = (width >= 1) & (width <= side) & (height >= 1) & (height <= side)
    full_width = max(1, min(side, round(side * ratio[1])))
    full_height = max(1, min(side, round(side / ratio[0])))
    central = ((side - full_height) // 2, (side - full_width) // 2, full_height, full_width)
    return _first(_placed(uniform, side, height, width), valid, central)


def cutmix_boxes(uniform: Uniform, side: int) -> Boxes:
    """Return CutMix boxes (N, 4) from ``uniform`` (N, 3) in [0, 1) for images of ``side`` pixels.

    The kept share of the area is Beta(1, 1), that is uniform, and a square box takes the rest. Its centre
    lies uniformly on the pixels; what sticks out is clipped.
    """
    half = np.floor(0.5 * np.sqrt(1 - uniform[:, :1]) * side)
    centre = np.floor(uniform[:, 1:] * side)
    start, end = np.maximum(centre - half, 0), np.minimum(centre + half, side)
    return np.concatenate([start, end - start], axis=1).astype(np.int64)


def _extents(
    uniform: Uniform, side: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Uniform, Uniform]:
    """Return both extents of every try, (N, TRIES), whole; the longer first where the ratio exceeds 1."""
    area = side**2 * (scale[0] + (scale[1] - scale[0]) * uniform[..., 0])
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = np.exp(low + (high - low) * uniform[..., 1])
    return np.rint(np.sqrt(area * aspect)), np.rint(np.sqrt(area / aspect))


def _placed(uniform: Uniform, side: int, height: Uniform, width: Uniform) -> Boxes:
    """Return boxes (N, TRIES, 4) of the given extents, uniformly at the places where they fit."""
    top = np.floor(uniform[..., 2] * (side - height + 1))
    left = np.floor(uniform[..., 3] * (side - width + 1))
    return np.stack([top, left, height, width], axis=-1).astype(np.int64)


def _first(boxes: Boxes, valid: NDArray[np.bool_], fallback: tuple[int, int, int, int]) -> Boxes:
    """Return the first valid of each sample's tries, or ``fallback``; (N, 4) from (N, TRIES, 4)."""
    chosen: Boxes = boxes[np.arange(len(boxes)), valid.argmax(axis=1)]
    chosen[~valid.any(axis=1)] = fallback
    return chosen
