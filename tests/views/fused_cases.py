"""What the fused kernels are tried on: images and draws at small sides, some of them chosen."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from views_settings import BASE, COINS, EVERYTHING, NOTHING, OPERATIONS, TABLE_1, sample_images, with_p

from erkt.params.views import ViewSettings
from erkt.views.draws import Draws, draw
from erkt.views.view import View

CROPS = np.array([[0, 0, 16, 16], [15, 15, 1, 1], [0, 5, 8, 8], [3, 0, 12, 16], [3, 4, 1, 11]])


@dataclass(frozen=True)
class Case:
    """``count`` images of ``side`` pixels under ``settings``, with some of their ``draws`` replaced."""

    count: int
    side: int
    settings: ViewSettings
    draws: dict[str, NDArray[Any]] = field(default_factory=dict)

    def inputs(self) -> tuple[Tensor, Draws, NDArray[np.int64]]:
        """Return images, rows and partners."""
        rows = draw(0, self.side, self.count, self.side, self.settings)
        partners = np.arange(self.count) ^ 1
        return sample_images(self.count, self.side), replace(rows, **self.draws), partners


def _crops(size: float) -> Case:
    settings = with_p(NOTHING, resized_crop=1.0, cutmix=1.0)
    settings = replace(settings, resized_crop=replace(settings.resized_crop, size=size))
    boxes = np.concatenate([CROPS, CROPS[:1]])
    return Case(len(boxes), 16, settings, {"resized_crop_box": boxes})


def _jitter(count: int, side: int, strength: float) -> Case:
    settings = with_p(NOTHING, color_jitter=1.0)
    strengths = dict.fromkeys(("brightness", "contrast", "saturation"), strength)
    return Case(count, side, replace(settings, color_jitter=replace(settings.color_jitter, **strengths)))


def _without_contrast(count: int, side: int) -> Case:
    case = _jitter(count, side, 0.5)
    factors = case.inputs()[1].jitter_factors.copy()
    factors[:, 1] = 1
    return replace(case, draws={"jitter_factors": factors})


def _ties(side: int, **flips: float) -> Case:
    angles = np.concatenate([[45, 135, -45, -135, 30, 60, -30, -60, 120, 150, 0, 90], _tying(8, side)])
    return Case(len(angles), side, with_p(NOTHING, rotation=1.0, **flips), {"rotation_angle": angles})


def _tying(count: int, side: int) -> NDArray[np.float64]:
    """Return degrees, each of which puts some pixel's source in the middle between two pixels."""
    random, middle = np.random.default_rng(side), (side - 1) / 2
    x, y = random.integers(0, side, (2, count)) - middle
    radius = np.hypot(x, y)
    target = np.rint(radius * random.uniform(-0.8, 0.8, count) + middle) - 0.5 - middle
    return np.degrees(np.arccos(target / radius) - np.arctan2(y, x))


ERASED = with_p(NOTHING, erasing=1.0)

CASES = {
    "nothing": Case(4, 21, NOTHING),
    **{f"{name}, {side} px": Case(6, side, with_p(NOTHING, **{name: 1.0}))
       for name in OPERATIONS for side in (21, 32)},
    **{f"ties, {side} px": _ties(side) for side in (16, 21, 33)},
    "ties and flips": _ties(32, horizontal_flip=1.0, vertical_flip=0.5),
    "angles": Case(40, 32, with_p(NOTHING, rotation=1.0, horizontal_flip=0.5, vertical_flip=0.5)),
    "jitter without contrast": _without_contrast(8, 21),
    "strong jitter": _jitter(8, 21, 1.0),
    "weakest jitter": _jitter(4, 21, 0.0),
    "crops to the full side": _crops(1.0),
    "crops to half the side": _crops(0.5),
    "erased in black": Case(6, 21, replace(ERASED, erasing=replace(ERASED.erasing, fill="black"))),
    "Table 1, 16 px": Case(40, 16, TABLE_1),
    "Table 1, 40 px": Case(12, 40, TABLE_1),
    "base": Case(16, 24, BASE),
    "coins": Case(30, 21, COINS),
    "everything": Case(8, 32, EVERYTHING),
}  # fmt: skip


def a_view() -> tuple[View, Tensor, NDArray[np.int64]]:
    """Return a view for the kernels, images of some of its samples in another order, and where they stand."""
    view = View.make(0, 3, np.arange(14) % 5, 32, COINS, fused=True)
    order = np.concatenate([[sample, view.partners[sample]] for sample in (9, 2, 11)])
    return view, sample_images(14, 32)[order], order
