"""The chain of the VSM for devices: the same operations, on all images of a batch at once and by masks.

``erkt.views.apply`` works on the images where an operation fires, one group or box after the other. On a GPU
each of these would be a launch, and each choice of images a wait. Here an image that an operation leaves
alone goes through it unchanged: blended with share 1, looked up at its own place, outside of every box. The
roundings are those of the other path; only the crop, two products of matrices here, rounds otherwise.

Images are float32 (B, 3, S, S) in [0, 1]. Nothing here may be compiled, as there.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from erkt.views.color import luma


def jitter(images: Tensor, shares: Tensor, blends: Tensor, means: Tensor) -> Tensor:
    """Return ``images`` blended three times in turn, in place.

    All three are (3, B): ``shares`` of the image itself and ``blends`` of its target. That is the mean of its
    luma where ``means``, bool, is true, and its luma elsewhere.
    """
    for share, blend, mean in zip(_wide(shares), _wide(blends), _wide(means), strict=True):
        target = luma(images)
        target = torch.where(mean, target.mean(dim=(1, 2, 3), keepdim=True), target)
        images.mul_(share).addcmul_(target, blend).clamp_(0, 1)
    return images


def look_up(images: Tensor, coefficients: Tensor, places: Tensor) -> Tensor:
    """Return ``images`` rotated and flipped: nearest neighbour, 0 for what comes from outside.

    ``coefficients`` (4, B) of a place's coordinates: of x and y in the x that is looked up, then in its y.
    ``places`` (S,): those along a side, in pixels from the centre.
    """
    products = coefficients.T.reshape(-1, 2, 2, 1) * places
    grid = products[:, :, 0, None, :] + products[:, :, 1, :, None]
    return F.grid_sample(
        images, grid.permute(0, 2, 3, 1), mode="nearest", padding_mode="zeros", align_corners=False
    )


def grayscale(images: Tensor, fires: Tensor) -> Tensor:
    """Return ``images`` with their luma in all three channels where ``fires`` (B,), bool, is true."""
    return torch.where(_wide(fires), luma(images), images)


def autocontrast(images: Tensor, fires: Tensor) -> Tensor:
    """Return ``images`` with each channel stretched to [0, 1] where ``fires`` (B,) is true, in place.

    A constant channel stays as it is.
    """
    low, high = torch.aminmax(images.flatten(2), dim=2)
    stays = (low == high) | ~fires[:, None]
    low = low.masked_fill_(stays, 0.0)
    span = (high - low).masked_fill_(stays, 1.0)
    return images.sub_(low[..., None, None]).div_(span[..., None, None]).clamp_(0, 1)


def inside(starts: Tensor, ends: Tensor, places: Tensor) -> list[Tensor]:
    """Return which pixels lie in each of K boxes: K masks, bool (B, 1, S, S).

    ``starts`` (2 K, B): the first row and column of each; ``ends``: those behind the last; ``places`` (S,): 0
    to S - 1.
    """
    within = (places >= starts[..., None]) & (places < ends[..., None])
    return [
        (rows[:, :, None] & columns[:, None, :])[:, None]
        for rows, columns in zip(within[::2], within[1::2], strict=True)
    ]


def resized_crop(
    images: Tensor, starts: Tensor, extents: Tensor, smaller: Tensor, enlarged: Tensor, places: Tensor
) -> Tensor:
    """Return crops of ``images``, resized and brought back to the full side, bilinear with antialiasing.

    ``starts``, ``extents`` (2, B): rows and columns of the box. ``smaller`` (size,): 0 to size - 1, places
    along a side of the smaller image. ``enlarged`` (S, size): how the way back weighs its pixels, as
    ``resampling`` returns it. ``places`` as in ``inside``.
    """
    rows, columns = enlarged @ resampling(places - starts[..., None], extents, smaller)  # (B, S, S) each
    across = (images.flatten(1, 2) @ columns.mT).view(images.shape)
    return torch.matmul(rows[:, None], across)


def resampling(places: Tensor, extents: Tensor, targets: Tensor) -> Tensor:
    """Return how each pixel at ``targets`` (T,) weighs those at ``places`` (..., S).

    Weights (..., T, S) of bilinear interpolation with antialiasing, as torch has it, of ``extents`` (...)
    pixels to T: a triangle around the target's centre, two source pixels wide, or two target pixels where
    these are wider. Places outside of [0, extent) have no weight, and a target's weights sum to 1.
    """
    scale = (extents / len(targets))[..., None, None]
    centres = (targets[:, None] + 0.5) * scale
    distances = (places[..., None, :] + 0.5 - centres).abs_()
    weights = (1 - distances / scale.clamp(min=1)).clamp_(min=0)
    counts = (places >= 0) & (places < extents[..., None])
    weights = weights * counts[..., None, :]
    return weights / weights.sum(dim=-1, keepdim=True)


def _wide(values: Tensor) -> Tensor:
    """Return values (..., B) of images as (..., B, 1, 1, 1)."""
    return values[..., None, None, None]
