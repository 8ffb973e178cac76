"""A view's draws, labels and constants on a device, moved there once; then a step sends one index vector."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.data.pixels import to_unit
from erkt.machine.device import send
from erkt.params.views import ViewSettings
from erkt.views import masked
from erkt.views.apply import crop_side, erasing_colour
from erkt.views.draws import Draws
from erkt.views.pairs import Positions

_SHARES, _BLENDS, _MEANS, _GRAYSCALE, _AUTOCONTRAST, _LOOK_UP, _STARTS, _ENDS, _CROP, _ALPHA = (
    slice(0, 3),  # of each jitter in turn: the image's share
    slice(3, 6),  # the target's share
    slice(6, 9),  # whether the target is the mean of the luma
    9,
    10,
    slice(11, 15),
    slice(15, 19),  # top and left of the erased box, then of CutMix's
    slice(19, 23),  # bottom and right of both
    slice(23, 27),  # top, left, height and width
    27,
)


@dataclass(frozen=True, eq=False)
class Table:
    """What rendering a view needs on its device; made by ``Table.of``.

    ``numbers``: float32 (28, N), a column a sample. ``labels``: int64 (2, N), a sample's and its partner's.
    ``places`` (S,): 0 to S - 1, and ``centred`` the same from the image's centre. ``smaller``, ``enlarged``:
    see ``masked.resized_crop``. ``fill`` (3, 1, 1): the erased boxes' colour. ``fires``: the operations that
    fire for any sample at all.
    """

    numbers: Tensor
    labels: Tensor
    places: Tensor
    centred: Tensor
    smaller: Tensor
    enlarged: Tensor
    fill: Tensor
    fires: frozenset[str]

    @classmethod
    def of(
        cls,
        draws: Draws,
        labels: NDArray[np.int64],
        partners: Positions,
        side: int,
        settings: ViewSettings,
        device: torch.device,
    ) -> "Table":
        """Return the table of the view that has these fields (``erkt.views.view``) on ``device``."""
        size = crop_side(settings, side)
        places = torch.arange(side, dtype=torch.float32, device=device)
        smaller = torch.arange(size, dtype=torch.float32, device=device)
        return cls(
            numbers=send(_numbers(draws, side), device),
            labels=send(np.stack([labels, labels[partners]]), device),
            places=places,
            centred=places - (side - 1) / 2,
            smaller=smaller,
            enlarged=masked.resampling(smaller, torch.full((), float(size), device=device), places),
            fill=send(np.array(erasing_colour(settings), np.float32).reshape(3, 1, 1), device),
            fires=frozenset(
                name for name, drawn in vars(draws).items() if drawn.dtype == np.bool_ and drawn.any()
            ),
        )

    def render(
        self, images: Tensor, positions: Tensor, partners: Tensor, cropped: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what ``View.render`` returns of the samples at ``positions`` (B,).

        ``images``: uint8 (B, 3, S, S), theirs. ``partners`` (B,): where in the batch their partners stand.
        ``cropped``: where in the batch those stand that are cropped. All on the table's device.
        """
        rows, fires = self.numbers.index_select(1, positions), self.fires
        gates = rows[_MEANS.start : _AUTOCONTRAST + 1] > 0
        x = to_unit(images)
        if "color_jitter" in fires:
            x = masked.jitter(x, rows[_SHARES], rows[_BLENDS], gates[:3])
        if fires & {"rotation", "horizontal_flip", "vertical_flip"}:
            x = masked.look_up(x, rows[_LOOK_UP], self.centred)
        if "grayscale" in fires:
            x = masked.grayscale(x, gates[3])
        if "autocontrast" in fires:
            x = masked.autocontrast(x, gates[4])
        erased, mixed = masked.inside(rows[_STARTS], rows[_ENDS], self.places)
        if "erasing" in fires:
            x = torch.where(erased, self.fill, x)
        if len(cropped):
            boxes, some = rows[_CROP].index_select(1, cropped), x.index_select(0, cropped)
            some = masked.resized_crop(some, boxes[:2], boxes[2:], self.smaller, self.enlarged, self.places)
            x = x.index_copy_(0, cropped, some)
        if "cutmix" in fires:
            x = torch.where(mixed, x.index_select(0, partners), x)
        label_a, label_b = self.labels.index_select(1, positions)
        return x, label_a, label_b, rows[_ALPHA]


def _numbers(draws: Draws, side: int) -> NDArray[np.float32]:
    """Return the table's numbers (28, N); a closed gate's are those of an operation that changes nothing."""
    count = len(draws.erasing)
    numbers = np.zeros((28, count), np.float32)
    kinds, jittered = draws.jitter_order.T, draws.color_jitter
    shares = np.where(jittered, draws.jitter_factors[np.arange(count), kinds], np.float32(1))
    numbers[_SHARES] = shares
    numbers[_BLENDS] = np.where(kinds == 0, np.float32(0), 1 - shares)  # brightness blends with black
    numbers[_MEANS] = kinds == 1
    numbers[_GRAYSCALE], numbers[_AUTOCONTRAST] = draws.grayscale, draws.autocontrast
    numbers[_LOOK_UP] = _coefficients(draws, side)
    erased = np.where(draws.erasing[:, None], draws.erasing_box, 0).T
    mixed = np.where(draws.cutmix[:, None], draws.cutmix_box, 0).T
    numbers[_STARTS] = np.concatenate([erased[:2], mixed[:2]])
    numbers[_ENDS] = np.concatenate([erased[:2] + erased[2:], mixed[:2] + mixed[2:]])
    numbers[_CROP] = draws.resized_crop_box.T
    numbers[_ALPHA] = draws.alpha(side)
    return numbers


def _coefficients(draws: Draws, side: int) -> NDArray[np.float32]:
    """Return the coefficients of ``masked.look_up`` (4, N), with the roundings of ``erkt.views.geometry``."""
    turns = [-math.radians(angle % 360) for angle in np.where(draws.rotation, draws.rotation_angle, 0.0)]
    half = np.float32(side / 2)
    cos = np.array([math.cos(turn) for turn in turns], np.float32) / half
    sin = np.array([math.sin(turn) for turn in turns], np.float32) / half
    x = np.where(draws.horizontal_flip, np.float32(-1), np.float32(1))
    y = np.where(draws.vertical_flip, np.float32(-1), np.float32(1))
    return np.stack([x * cos, y * sin, x * -sin, y * cos])
