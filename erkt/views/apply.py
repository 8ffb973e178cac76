"""The chain of the VSM: images and rows of draws become pixels (eq. 1, Table 1).

Nothing here draws a random number. On a CPU a result is the same bit for bit in every batch, order and number
of threads, and equal to torchvision's functional forms image by image. On a CPU with other arithmetic (AVX2
and AVX-512 agree), and on a GPU, where ``erkt.views.table`` does the same work by masks, it is the same
within float32 rounding, except for pixels of the rotation whose source lies on a nearest-neighbour tie. None
of it may be compiled: fused multiplications and additions would move such pixels.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.data.pixels import to_unit
from erkt.params.views import ViewSettings
from erkt.views.color import autocontrast, grayscale, jitter
from erkt.views.draws import Draws
from erkt.views.geometry import resized_crop, rotate_and_flip
from erkt.views.mixing import cutmix, erase

_CACHED = 2**20
"""Values of images that stay in a core's cache (1 MB in float32) beside what is computed from them."""


def apply(images: Tensor, rows: Draws, partners: NDArray[np.int64], settings: ViewSettings) -> Tensor:
    """Return the views of ``images``: float32 (B, 3, S, S) in [0, 1].

    ``images``: uint8 (B, 3, S, S) on a CPU, left as they are. ``rows``: their B rows of draws. ``partners``
    (B,): where in the batch each one's partner stands. A resize may exceed 1 by its rounding.
    """
    before = apply_before_cutmix(images, rows, settings)
    return cutmix(before, rows.cutmix, rows.cutmix_box, partners)


def apply_before_cutmix(images: Tensor, rows: Draws, settings: ViewSettings) -> Tensor:
    """Return what ``apply`` does up to and without CutMix: the operations that see one image each.

    A few images go through the whole chain at a time, which keeps them in the CPU's cache.
    """
    size = max(1, _CACHED // images[0].numel())
    result = torch.empty(images.shape, dtype=torch.float32)
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        result[part] = _chain(images[part], rows.rows(np.arange(len(images))[part]), settings)
    return result


def _chain(images: Tensor, rows: Draws, settings: ViewSettings) -> Tensor:
    x = to_unit(images)
    x = _gated(jitter, x, rows.color_jitter, rows.jitter_factors, rows.jitter_order)
    moved = rows.rotation | rows.horizontal_flip | rows.vertical_flip
    angle = np.where(rows.rotation, rows.rotation_angle, 0.0)
    x = _gated(rotate_and_flip, x, moved, angle, rows.horizontal_flip, rows.vertical_flip)
    x = _gated(grayscale, x, rows.grayscale)
    x = _gated(autocontrast, x, rows.autocontrast)
    x = erase(x, rows.erasing, rows.erasing_box, erasing_colour(settings))
    size = crop_side(settings, images.shape[-1])

    def crop(cropped: Tensor, boxes: NDArray[np.int64]) -> Tensor:
        return resized_crop(cropped, boxes, size)

    return _gated(crop, x, rows.resized_crop, rows.resized_crop_box)


def erasing_colour(settings: ViewSettings) -> tuple[float, float, float]:
    """Return the RGB in [0, 1] of erased boxes."""
    return (0.0, 0.0, 0.0) if settings.erasing.fill == "black" else settings.erasing.fill


def crop_side(settings: ViewSettings, side: int) -> int:
    """Return the side in pixels to which a crop is resized, of images of ``side`` pixels."""
    return max(1, round(settings.resized_crop.size * side))


def _gated(
    operation: Callable[..., Tensor], images: Tensor, fires: NDArray[np.bool_], *columns: NDArray[np.generic]
) -> Tensor:
    """Return ``operation(images, *columns)`` for images that fire, the rest untouched; may work in place."""
    fired = np.flatnonzero(fires)
    if len(fired) == len(images):
        return operation(images, *columns)
    if len(fired):
        index = torch.from_numpy(fired)
        some = images.index_select(0, index)
        images.index_copy_(0, index, operation(some, *(column[fired] for column in columns)))
    return images
