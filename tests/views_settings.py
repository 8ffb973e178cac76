"""The paper's settings of the VSM, others made of them for tests, and images to try them on."""

from dataclasses import fields, replace

import numpy as np
import torch
import yaml
from closure import ROOT
from torch import Tensor
from torch.nn import functional as F

from erkt.params.schema import build
from erkt.params.views import ViewSettings

PRESET = yaml.safe_load((ROOT / "presets/aid30-tr20.yaml").read_text(encoding="utf-8"))
TABLE_1, BASE = (build(ViewSettings, PRESET[name], name) for name in ("vsm", "base"))
OPERATIONS = [field.name for field in fields(ViewSettings)]


def with_p(settings: ViewSettings, **probabilities: float) -> ViewSettings:
    """Return ``settings`` with other probabilities for the operations named."""
    changed = {name: replace(getattr(settings, name), p=p) for name, p in probabilities.items()}
    return replace(settings, **changed)


NOTHING = with_p(TABLE_1, **dict.fromkeys(OPERATIONS, 0.0))
COINS = with_p(TABLE_1, **dict.fromkeys(OPERATIONS, 0.5))
EVERYTHING = with_p(TABLE_1, **dict.fromkeys(OPERATIONS, 1.0))


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
