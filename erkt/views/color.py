"""Colour operations on batches: jitter, grayscale, autocontrast.

Images are float32 (B, 3, H, W) in [0, 1], on a CPU. Results equal torchvision's functional forms on single
images bit for bit, whatever the batch and the number of threads; that fixes the sequence of float32
operations, fused ones included. One exception: where 3 * H * W is no multiple of 16, torch leaves the last
values of torchvision's own contrast unfused, and they may differ by a rounding.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.views.threads import one_thread

_LARGE = 2**15
"""Values of an image (3 x 105 x 105) from which on a CPU jitters images faster one by one."""


def jitter(images: Tensor, factors: NDArray[np.float32], order: NDArray[np.int64]) -> Tensor:
    """Return ``images`` with brightness, contrast and saturation changed, in place.

    ``factors`` (B, 3) are those of brightness (0), contrast (1) and saturation (2); ``order`` (B, 3) says
    which of them comes first, second and third. All three blend the image with a target: black, the mean of
    its grayscale, its grayscale.
    """
    # One thread also for the sake of bits: torch would split the sum over a large image among its threads,
    # and the rounding would depend on how many there are.
    with one_thread():
        if images[0].numel() >= _LARGE:
            _jitter_one_by_one(images, factors, order)
        else:
            _jitter_by_order(images, factors, order)
    return images


def _jitter_one_by_one(images: Tensor, factors: NDArray[np.float32], order: NDArray[np.int64]) -> None:
    """Jitter each image from its first operation to its last: it stays in the cache meanwhile."""
    shares = _shares(factors)
    for image, share, kinds in zip(images, shares, order.tolist(), strict=True):
        _blend_in_turn(image[None], share[:, None], kinds)


def _jitter_by_order(images: Tensor, factors: NDArray[np.float32], order: NDArray[np.int64]) -> None:
    """Jitter all images that share an order at once: fewer operations."""
    shares = _shares(factors)
    for kinds in np.unique(order, axis=0):
        index = torch.from_numpy(np.flatnonzero((order == kinds).all(axis=1)))
        some = images.index_select(0, index)
        _blend_in_turn(some, shares[index].transpose(0, 1), kinds.tolist())
        images.index_copy_(0, index, some)


def _shares(factors: NDArray[np.float32]) -> Tensor:
    """Return factors (B, 3) as (B, 3, 1, 1, 1)."""
    return torch.from_numpy(factors).view(-1, 3, 1, 1, 1)


def _blend_in_turn(images: Tensor, shares: Tensor, kinds: list[int]) -> None:
    """Blend ``images`` in place with each of ``kinds`` in turn, keeping its ``shares`` (3, B, 1, 1, 1)."""
    for kind in kinds:
        share = shares[kind]
        if kind == 0:
            images.mul_(share).clamp_(0, 1)
            continue
        target = luma(images)
        if kind == 1:
            target.copy_(target.mean(dim=(1, 2, 3), keepdim=True))
        images.mul_(share).addcmul_(target, 1 - share).clamp_(0, 1)


def grayscale(images: Tensor) -> Tensor:
    """Return ``images`` with their luma in all three channels, in place."""
    return images.copy_(luma(images))


def autocontrast(images: Tensor) -> Tensor:
    """Return ``images`` with each channel stretched to [0, 1]; a constant channel stays as it is."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    constant = low == high
    low = torch.where(constant, 0.0, low)
    return images.sub(low).div_(torch.where(constant, 1.0, high - low)).clamp_(0, 1)


def luma(images: Tensor) -> Tensor:
    """Return the luma of ``images`` (ITU-R BT.601 weights as torchvision rounds them), (B, 1, H, W)."""
    red, green, blue = images.unbind(dim=1)
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).unsqueeze_(1)
