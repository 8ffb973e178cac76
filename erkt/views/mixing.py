"""Operations that replace the pixels of a box: erasing and CutMix.

Images are float32 (B, 3, S, S) on a CPU; both work in place and exactly. Boxes are ``(top, left, height,
width)``, see ``erkt.views.boxes``; those of images whose gate is closed are left alone.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.views.boxes import Boxes


def erase(
    images: Tensor, fires: NDArray[np.bool_], boxes: Boxes, colour: tuple[float, float, float]
) -> Tensor:
    """Return ``images`` with ``colour``, RGB in [0, 1], in the box of each that ``fires`` (B,), in place."""
    fill = torch.tensor(colour, dtype=images.dtype).view(3, 1, 1)
    for at in np.flatnonzero(fires):
        _patch(images[at], boxes[at]).copy_(fill)
    return images


def cutmix(images: Tensor, fires: NDArray[np.bool_], boxes: Boxes, partners: NDArray[np.int64]) -> Tensor:
    """Return ``images`` where each that ``fires`` (B,) has its partner's pixels in its own box, in place.

    ``partners`` (B,) says where in the batch the partner stands. Pixels are taken as they were before any
    mixing: the partner's own mixing never shows.
    """
    mixed = np.flatnonzero(fires)
    patches = [_patch(images[partners[at]], boxes[at]).clone() for at in mixed]
    for at, patch in zip(mixed, patches, strict=True):
        _patch(images[at], boxes[at]).copy_(patch)
    return images


def _patch(image: Tensor, box: NDArray[np.int64]) -> Tensor:
    """Return a view of the pixels of an image (3, S, S) inside a box (4,)."""
    top, left, height, width = box.tolist()
    return image[:, top : top + height, left : left + width]
