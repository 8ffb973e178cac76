"""What ours is compared with, as others write it: the loss, the augmentation, the whole loop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torchvision.transforms import v2

from erkt.params.views import ViewSettings


def dist(student: Tensor, teacher: Tensor, tau: float) -> Tensor:
    """Return DIST by cosines of centred probabilities, eager, as in arXiv:2205.10536 and its code."""
    p, q = (student / tau).softmax(dim=1), (teacher / tau).softmax(dim=1)
    return 2 * (1 - _correlation(p, q).mean()) + 2 * (1 - _correlation(p.T, q.T).mean())


@contextmanager
def torchs_own_settings() -> Iterator[None]:
    """Run a GPU's kernels as torch does without a word from its user."""
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark
    repeated = torch.are_deterministic_algorithms_enabled()
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = True, False, False
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before
        torch.use_deterministic_algorithms(repeated, warn_only=True)


def torchvision_chain(settings: ViewSettings, side: int) -> Callable[[Tensor], Tensor]:
    """Return Table 1 up to CutMix as torchvision has it, on one uint8 image (3, H, W); float32 in [0, 1]."""
    jitter, erasing, crop = settings.color_jitter, settings.erasing, settings.resized_crop
    if jitter.p < 1 or settings.rotation.p < 1:
        raise ValueError("torchvision changes colours and angles of every image")
    small = round(crop.size * side)
    fill = [0.0, 0.0, 0.0] if erasing.fill == "black" else list(erasing.fill)
    smaller = [
        v2.RandomResizedCrop(small, crop.scale, crop.ratio, antialias=True),
        v2.Resize(side, antialias=True),
    ]
    return v2.Compose(
        [
            v2.ColorJitter(jitter.brightness, jitter.contrast, jitter.saturation),
            v2.RandomRotation(settings.rotation.degrees),
            v2.RandomHorizontalFlip(settings.horizontal_flip.p),
            v2.RandomVerticalFlip(settings.vertical_flip.p),
            v2.RandomGrayscale(settings.grayscale.p),
            v2.RandomAutocontrast(settings.autocontrast.p),
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomErasing(erasing.p, erasing.scale, erasing.ratio, value=fill),
            v2.RandomApply(smaller, crop.p),
        ]
    )


def kornia_chain(settings: ViewSettings, side: int) -> Callable[[Tensor], Tensor]:
    """Return Table 1 as kornia has it, on a batch of float32 images (B, 3, H, W) in [0, 1].

    Its erasing fills with one value; its resized crop goes straight to the full side, of all images or none.
    """
    import kornia.augmentation as K  # takes a second, and the other comparisons do without

    jitter, erasing, crop = settings.color_jitter, settings.erasing, settings.resized_crop
    chain: Callable[[Tensor], Tensor] = K.AugmentationSequential(
        K.ColorJitter(jitter.brightness, jitter.contrast, jitter.saturation, p=jitter.p),
        K.RandomRotation(settings.rotation.degrees, resample="nearest", p=settings.rotation.p),
        K.RandomHorizontalFlip(p=settings.horizontal_flip.p),
        K.RandomVerticalFlip(p=settings.vertical_flip.p),
        K.RandomGrayscale(p=settings.grayscale.p),
        K.RandomAutoContrast(p=settings.autocontrast.p),
        K.RandomErasing(erasing.scale, erasing.ratio, value=0.5, p=erasing.p),
        K.RandomResizedCrop((side, side), crop.scale, crop.ratio, p=crop.p),
        K.RandomCutMixV2(p=settings.cutmix.p, data_keys=["input"], use_correct_lambda=True),
        data_keys=["input"],
    )
    return chain


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(1).unsqueeze(1), b - b.mean(1).unsqueeze(1)
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-8)
