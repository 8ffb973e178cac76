"""The table of random draws of a view: one row a sample, for the nine operations of the VSM (Table 1).

Each operation has its own stream, named by seed, operation and view, and takes the same amount of numbers for
every sample, the gate first. So leaving an operation out changes no other operation's draws, and a sample's
row does not depend on how many samples follow it.
"""

import itertools
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from erkt.params.views import ColorJitter, ViewSettings
from erkt.seeds import stream
from erkt.views.boxes import TRIES, Boxes, crop_boxes, cutmix_boxes, erasing_boxes

Gates = NDArray[np.bool_]

_ORDERS = np.array(list(itertools.permutations(range(3))))


@dataclass(frozen=True, eq=False)
class Draws:
    """Gates and strengths of N samples; a gate, bool (N,), bears the name of its operation in ``Views``.

    ``jitter_factors``: float32 (N, 3), factors for brightness, contrast, saturation.
    ``jitter_order``: int64 (N, 3), which of the three (0, 1, 2 as above) comes first, second, third.
    ``rotation_angle``: float64 (N,), degrees, counter-clockwise.
    ``erasing_box``, ``resized_crop_box``, ``cutmix_box``: int64 (N, 4), see ``erkt.views.boxes``.
    Strengths are drawn for samples whose gate stays closed, too.
    """

    color_jitter: Gates
    jitter_factors: NDArray[np.float32]
    jitter_order: NDArray[np.int64]
    rotation: Gates
    rotation_angle: NDArray[np.float64]
    horizontal_flip: Gates
    vertical_flip: Gates
    grayscale: Gates
    autocontrast: Gates
    erasing: Gates
    erasing_box: Boxes
    resized_crop: Gates
    resized_crop_box: Boxes
    cutmix: Gates
    cutmix_box: Boxes

    def rows(self, indices: NDArray[np.int64]) -> "Draws":
        """Return the rows of the samples ``indices`` (B,), in that order."""
        return Draws(**{field.name: getattr(self, field.name)[indices] for field in fields(self)})

    def alpha(self, side: int) -> NDArray[np.float32]:
        """Return eq. 11's alpha, float32 (N,) in [0, 1]: the share of pixels that come from the partner.

        It is the clipped box's area over that of images of ``side`` pixels, and 0 where CutMix does not fire.
        """
        area = self.cutmix_box[:, 2] * self.cutmix_box[:, 3]
        return np.where(self.cutmix, area / side**2, 0.0).astype(np.float32)


def draw(seed: int, view: int, count: int, side: int, settings: ViewSettings) -> Draws:
    """Return the draws of view ``view`` under ``seed`` for ``count`` square images of ``side`` pixels.

    A pure function: the same on every machine.
    """

    def uniform(operation: str, *shape: int) -> NDArray[np.float64]:
        return stream(seed, operation, view).doubles(count, *shape)

    jitter = uniform("color_jitter", 5)
    rotation = uniform("rotation", 2)
    erasing = uniform("erasing", 1 + TRIES * 4)
    crop = uniform("resized_crop", 1 + TRIES * 4)
    cutmix = uniform("cutmix", 4)
    degrees = settings.rotation.degrees
    return Draws(
        color_jitter=jitter[:, 0] < settings.color_jitter.p,
        jitter_factors=_factors(jitter[:, 1:4], settings.color_jitter),
        jitter_order=_ORDERS[np.floor(6 * jitter[:, 4]).astype(np.int64)],
        rotation=rotation[:, 0] < settings.rotation.p,
        rotation_angle=degrees * (2 * rotation[:, 1] - 1),
        horizontal_flip=uniform("horizontal_flip") < settings.horizontal_flip.p,
        vertical_flip=uniform("vertical_flip") < settings.vertical_flip.p,
        grayscale=uniform("grayscale") < settings.grayscale.p,
        autocontrast=uniform("autocontrast") < settings.autocontrast.p,
        erasing=erasing[:, 0] < settings.erasing.p,
        erasing_box=erasing_boxes(_tries(erasing), side, settings.erasing.scale, settings.erasing.ratio),
        resized_crop=crop[:, 0] < settings.resized_crop.p,
        resized_crop_box=crop_boxes(
            _tries(crop), side, settings.resized_crop.scale, settings.resized_crop.ratio
        ),
        cutmix=cutmix[:, 0] < settings.cutmix.p,
        cutmix_box=cutmix_boxes(cutmix[:, 1:], side),
    )


def _factors(uniform: NDArray[np.float64], settings: ColorJitter) -> NDArray[np.float32]:
    """Return factors from U[1 - strength, 1 + strength].

    They are rounded to float32 here, because the factor and its complement must come from one number.
    """
    strengths = np.array([settings.brightness, settings.contrast, settings.saturation])
    return (1 + strengths * (2 * uniform - 1)).astype(np.float32)


def _tries(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers behind the gate as tries, (N, TRIES, 4)."""
    return numbers[:, 1:].reshape(-1, TRIES, 4)
