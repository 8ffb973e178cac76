"""What may happen to a scene between training and use, at growing strengths.

D. Hendrycks, T. Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019, has the idea of five strengths and one mean; the strengths here are ours, for scenes from above.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv


@dataclass(frozen=True)
class Condition:
    """One corruption at one strength; ``apply`` maps uint8 images (B, 3, H, W) to such."""

    kind: str
    strength: float
    unit: str
    apply: Callable[[Tensor], Tensor]


def conditions(side: int, seed: int) -> Iterator[Condition]:
    """Yield all conditions for images of ``side`` pixels, kind by kind.

    Rotation in steps of 15 degrees (bilinear, corners black); blur by a Gaussian in percent of the side; JPEG
    at a quality; noise by a normal deviation in grey levels, one pattern drawn from ``seed``; brightness by a
    factor; haze by the share of white light, as Koschmieder's law mixes it in at one distance.
    """
    for degrees in range(15, 360, 15):
        turn = partial(tv.rotate, angle=degrees, interpolation=InterpolationMode.BILINEAR)
        yield Condition("rotation", degrees, "degrees", turn)
    for percent in (1.0, 1.5, 2.0, 3.0, 4.0):
        yield Condition("blur", percent, "% of the side", partial(_blur, sigma=percent * side / 100))
    for quality in (50, 30, 20, 10, 5):
        yield Condition("jpeg", quality, "quality", partial(_jpeg, quality=quality))
    for levels in (5, 10, 20, 30, 40):
        yield Condition("noise", levels, "grey levels", partial(_noise, levels=levels, seed=seed))
    for factor in (0.7, 0.5, 0.3, 1.5, 2.0):
        brighten = partial(tv.adjust_brightness, brightness_factor=factor)
        yield Condition("brightness", factor, "factor", brighten)
    for share in (0.2, 0.3, 0.4, 0.5, 0.6):
        yield Condition("haze", share, "share of white", partial(_haze, share=share))


def _blur(images: Tensor, sigma: float) -> Tensor:
    reach = max(1, round(3 * sigma))
    blurred: Tensor = tv.gaussian_blur(images, kernel_size=[2 * reach + 1] * 2, sigma=[sigma] * 2)
    return blurred


def _jpeg(images: Tensor, quality: int) -> Tensor:
    found = []
    for image in images.cpu():
        file = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
        with Image.open(file) as decoded:
            found.append(torch.from_numpy(np.array(decoded)).permute(2, 0, 1))
    return torch.stack(found).to(images.device)


def _noise(images: Tensor, levels: float, seed: int) -> Tensor:
    # One pattern for all images: what an image gets must not depend on its place in a batch.
    drawn = torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(seed)).to(images.device)
    return (images + levels * drawn).round().clamp(0, 255).to(torch.uint8)


def _haze(images: Tensor, share: float) -> Tensor:
    return ((1 - share) * images + share * 255).round().to(torch.uint8)
