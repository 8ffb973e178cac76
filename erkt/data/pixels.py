"""The step from stored pixels to what networks and views work on."""

import torch
from torch import Tensor


def to_unit(images: Tensor) -> Tensor:
    """Return uint8 images as float32 in [0, 1], bit for bit as torchvision's ``to_dtype(scale=True)``."""
    return images.to(torch.float32).mul_(1 / 255)
