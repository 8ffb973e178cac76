"""Cheaper training: small images first, and an average of the weights as the result.

Small first: T. Karras, T. Aila, S. Laine and J. Lehtinen, 2018, arXiv:1710.10196, and for classifiers M. Tan and Q. V.
Le, "EfficientNetV2", 2021, arXiv:2104.00298. Average: an exponential one, after B. T. Polyak and A. B. Juditsky's of 1992, as torch has it.
"""

from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from erkt.params.economy import Economy

_STEP = 8


def side_at(economy: Economy, full: int, progress: float) -> int:
    """Return the side in pixels of the student's images when ``progress``, in [0, 1), of all epochs is over."""
    if economy.first_side is None or progress >= economy.grown_after:
        return full
    grown = economy.first_side + (full - economy.first_side) * progress / economy.grown_after
    return min(full, max(economy.first_side, _STEP * round(grown / _STEP)))


def shrunk(images: Tensor, side: int) -> Tensor:
    """Return float images (B, 3, S, S) at ``side`` pixels, bilinear with antialiasing; as they are at full size."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def average_of(model: nn.Module, economy: Economy) -> AveragedModel | None:
    """Return an average of the weights and statistics of ``model``, to be updated after each step; None if off."""
    if economy.averaging == 0:
        return None
    average = get_ema_multi_avg_fn(economy.averaging)  # type: ignore[no-untyped-call]  # torch's own stub
    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)
