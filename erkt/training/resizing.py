"""Small images first, which cost less.

T. Karras, T. Aila, S. Laine and J. Lehtinen, 2018, arXiv:1710.10196, and for classifiers M. Tan and Q. V. Le,
"EfficientNetV2", 2021, arXiv:2104.00298.
"""

from torch import Tensor
from torch.nn import functional as F

from erkt.params.resizing import Resizing

_STEP = 8


def side_at(resizing: Resizing, full: int, progress: float) -> int:
    """Return the side in pixels of the student's images at ``progress``, in [0, 1), of all epochs."""
    if resizing.first_side is None or progress >= resizing.full_after:
        return full
    grown = resizing.first_side + (full - resizing.first_side) * progress / resizing.full_after
    return min(full, max(resizing.first_side, _STEP * round(grown / _STEP)))


def shrunk(images: Tensor, side: int) -> Tensor:
    """Return float images (B, 3, S, S) at ``side`` pixels, antialiased; as they are at full size."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=(side, side), mode="bilinear", align_corners=False, antialias=True)
