"""Settings of the VSM for the tests of the views, and images to try them on."""

from dataclasses import fields, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from erkt.params.views import ColorJitter, Erasing, Gate, ResizedCrop, Rotation, ViewSettings

TABLE_1 = ViewSettings(
    color_jitter=ColorJitter(p=1.0, brightness=0.5, contrast=0.5, saturation=0.5),
    rotation=Rotation(p=1.0, degrees=180.0),
    horizontal_flip=Gate(p=0.9),
    vertical_flip=Gate(p=0.9),
    grayscale=Gate(p=0.1),
    autocontrast=Gate(p=0.1),
    erasing=Erasing(p=1.0, scale=(0.02, 0.33), ratio=(0.3, 3.3), fill=(0.485, 0.456, 0.406)),
    resized_crop=ResizedCrop(p=0.1, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), size=176 / 256),
    cutmix=Gate(p=1.0),
)
OPERATIONS = [field.name for field in fields(ViewSettings)]


def with_p(settings: ViewSettings, **probabilities: float) -> ViewSettings:
    """Return ``settings`` with other probabilities for the operations named."""
    changed = {name: replace(getattr(settings, name), p=p) for name, p in probabilities.items()}
    return replace(settings, **changed)


NOTHING = with_p(TABLE_1, **dict.fromkeys(OPERATIONS, 0.0))
COINS = with_p(TABLE_1, **dict.fromkeys(OPERATIONS, 0.5))
EVERYTHING = with_p(TABLE_1, **dict.fromkeys(OPERATIONS, 1.0))
BASE = with_p(TABLE_1, cutmix=0.1, horizontal_flip=0.5, vertical_flip=0.5, erasing=0.0, resized_crop=0.0)


def sample_images(count: int, side: int, seed: int = 0) -> Tensor:
    """Return uint8 images (count, 3, side, side): full and narrow noise, smooth colours, a few flat ones."""
    random = np.random.default_rng(seed)
    noise = torch.from_numpy(random.integers(0, 256, (count, 3, side, side), dtype=np.uint8))
    noise[::4] = noise[::4] // 2 + 40
    coarse = torch.from_numpy(random.random((count, 3, 4, 4), dtype=np.float32))
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic").clamp_(0, 1).mul_(255).to(torch.uint8)
    turn = torch.arange(count).view(-1, 1, 1, 1)
    images = torch.where(turn % 2 == 0, noise, smooth)
    images[3::16, 1] = 77  # one flat channel
    images[7::16] = torch.tensor([10, 250, 128], dtype=torch.uint8).view(3, 1, 1)
    return images
