"""The operations of the VSM against torchvision's functional forms, image by image and bit for bit."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as V
from views_settings import BASE, COINS, EVERYTHING, NOTHING, OPERATIONS, TABLE_1, sample_images, with_p

from erkt.params.views import ViewSettings
from erkt.views.apply import apply, apply_before_cutmix
from erkt.views.draws import Draws, draw
from erkt.views.mixing import cutmix

BEFORE_CUTMIX = OPERATIONS[:-1]
SIDES = {64: 80, 128: 70, 256: 30, 75: 40}  # pixels: images, 220 in all


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Torchvision's mean of one large image depends on the number of threads, so the reference has one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def adjust_contrast(image: Tensor, factor: float) -> Tensor:
    """Torchvision's, with the mean written out for every pixel where an image does not fill whole vectors.

    Torch fuses multiplication and addition in ``add_(mean, alpha=...)`` for whole vectors of 16 numbers but
    not for the rest of a broadcast mean, so torchvision's last values depend on the layout of the image.
    """
    if image.numel() % 16 == 0:
        return V.adjust_contrast(image, factor)
    mean = V.rgb_to_grayscale(image).mean(dim=(-3, -2, -1), keepdim=True).expand_as(image).contiguous()
    return image.mul(factor).add_(mean, alpha=1 - factor).clamp_(0, 1)


def rotate(image: Tensor, angle: float) -> Tensor:
    """Torchvision's, with the matrix product of its grid written out as products and their sum.

    Some CPUs' libraries fuse multiplication and addition there, so that torchvision's ties between two pixels
    fall otherwise from one machine to the next.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "bmm", written_out)
        return torchvisions_rotate(image, angle)


def written_out(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix product of ``a`` (1, P, K) and ``b`` (1, K, M), each product and sum rounded."""
    terms = [a[..., k, None] * b[:, None, k] for k in range(a.shape[-1])]
    return sum(terms[1:], start=terms[0])


def torchvisions_rotate(image: Tensor, angle: float) -> Tensor:
    return V.rotate(image, angle, InterpolationMode.NEAREST, expand=False, fill=0)


def jitter_one(image: Tensor, rows: Draws, i: int, settings: ViewSettings) -> Tensor:
    adjust = (V.adjust_brightness, adjust_contrast, V.adjust_saturation)
    for kind in rows.jitter_order[i]:
        image = adjust[kind](image, float(rows.jitter_factors[i, kind]))
    return image


def erase_one(image: Tensor, rows: Draws, i: int, settings: ViewSettings) -> Tensor:
    fill = torch.tensor([0.0] * 3 if settings.erasing.fill == "black" else settings.erasing.fill)
    return V.erase(image, *rows.erasing_box[i].tolist(), v=fill[:, None, None])


def crop_one(image: Tensor, rows: Draws, i: int, settings: ViewSettings) -> Tensor:
    side = image.shape[-1]
    small = round(side * settings.resized_crop.size)
    cropped = V.resized_crop(image, *rows.resized_crop_box[i].tolist(), size=[small, small], antialias=True)
    return V.resize(cropped, [side, side], antialias=True)


REFERENCE: dict[str, Callable[[Tensor, Draws, int, ViewSettings], Tensor]] = {
    "color_jitter": jitter_one,
    "rotation": lambda image, rows, i, _: rotate(image, rows.rotation_angle[i].item()),
    "horizontal_flip": lambda image, *_: V.horizontal_flip(image),
    "vertical_flip": lambda image, *_: V.vertical_flip(image),
    "grayscale": lambda image, *_: V.rgb_to_grayscale(image, num_output_channels=3),
    "autocontrast": lambda image, *_: V.autocontrast(image),
    "erasing": erase_one,
    "resized_crop": crop_one,
}


def to_float(images: Tensor) -> Tensor:
    return V.to_dtype(images, torch.float32, scale=True)


def assert_equals_torchvision(count: int, side: int, settings: ViewSettings, **draws: NDArray[Any]) -> None:
    """Compare with the chain in Table 1's order, by torchvision, one image after the other."""
    images = sample_images(count, side)
    rows = replace(draw(0, side, count, side, settings), **draws)
    expected = []
    for i, x in enumerate(to_float(images)):
        for name in BEFORE_CUTMIX:
            if getattr(rows, name)[i]:
                x = REFERENCE[name](x, rows, i, settings)
        expected.append(x)
    ours = apply_before_cutmix(images, rows, settings)
    differ = ours != torch.stack(expected)
    assert ours.dtype == torch.float32
    assert not differ.any(), f"{differ.sum()} of {ours.numel()} values differ"


def test_every_byte_becomes_the_float_torchvision_makes_of_it() -> None:
    images = torch.arange(256, dtype=torch.uint8).repeat(3).view(1, 3, 16, 16)
    assert torch.equal(apply(images, draw(0, 0, 1, 16, NOTHING), np.array([0]), NOTHING), to_float(images))


@pytest.mark.parametrize(("side", "count"), SIDES.items())
@pytest.mark.parametrize("operation", BEFORE_CUTMIX)
def test_each_operation_equals_torchvision(operation: str, side: int, count: int) -> None:
    assert_equals_torchvision(count, side, with_p(NOTHING, **{operation: 1.0}))


@pytest.mark.parametrize(("side", "count"), SIDES.items())
@pytest.mark.parametrize(
    "settings", [TABLE_1, EVERYTHING, BASE, COINS], ids=["vsm", "everything", "base", "coins"]
)
def test_the_chain_equals_torchvision_in_table_1s_order(
    settings: ViewSettings, side: int, count: int
) -> None:
    assert_equals_torchvision(count, side, settings)


@pytest.mark.parametrize(("side", "count"), SIDES.items())
def test_cutmix_equals_torchvisions_on_the_pixels_before_any_mixing(side: int, count: int) -> None:
    images, rows = to_float(sample_images(count, side)), draw(0, side, count, side, TABLE_1)
    partner = np.arange(count) ^ 1
    expected = []
    for i, (top, left, height, width) in enumerate(rows.cutmix_box.tolist()):
        # Torchvision mixes a batch by one box, each with the image before it.
        parameters = {"labels": None, "batch_size": 2, "box": (left, top, left + width, top + height)}
        pair = torch.stack([images[i], images[partner[i]]])
        expected.append(v2.CutMix(num_classes=2).transform(pair, parameters)[0])
    mixed = cutmix(images.clone(), rows.cutmix, rows.cutmix_box, partner)
    assert torch.equal(mixed, torch.stack(expected))


BOXES = np.array([[0, 0, 64, 64], [63, 63, 1, 1], [0, 5, 32, 32], [10, 0, 50, 64], [3, 4, 1, 60]])
ANGLES = np.array([0.0, 90, 180, 270, -90, -180, 45, -45, 135, -135, 30, 60, 1e-9, -1e-9])


@pytest.mark.parametrize(
    ("operation", "changes", "draws"),
    [
        ("color_jitter", {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0}, {}),
        ("color_jitter", {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}, {}),
        ("rotation", {}, {"rotation_angle": ANGLES}),
        ("rotation", {}, {"rotation_angle": ANGLES, "horizontal_flip": ANGLES > -999}),
        ("erasing", {"fill": "black"}, {"erasing_box": BOXES}),
        *(("resized_crop", {"size": size}, {"resized_crop_box": BOXES}) for size in (1.0, 0.5, 1 / 64)),
    ],
)
@pytest.mark.parametrize("side", [64, 75])
def test_settings_and_draws_at_their_ends_equal_torchvision(
    operation: str, changes: dict[str, Any], draws: dict[str, NDArray[Any]], side: int
) -> None:
    settings = with_p(NOTHING, **{operation: 1.0})
    settings = replace(settings, **{operation: replace(getattr(settings, operation), **changes)})
    count = max(map(len, draws.values()), default=40)
    assert_equals_torchvision(count, side, settings, **draws)


def test_flips_move_every_pixel_of_every_side_length_to_its_mirror_place() -> None:
    settings = with_p(NOTHING, horizontal_flip=1.0)
    for side in [*range(1, 80), 96, 150, 224, 255, 256, 299, 512, 600]:
        images = sample_images(1, side)
        flipped = apply_before_cutmix(images, draw(0, 0, 1, side, settings), settings)
        assert torch.equal(flipped, to_float(images.flip(-1))), side


def test_contrast_of_an_odd_side_equals_torchvisions_but_for_the_last_values_rounding() -> None:
    settings = with_p(NOTHING, color_jitter=1.0)
    images, rows = sample_images(40, 75), draw(0, 0, 40, 75, settings)
    rows.jitter_factors[:, [0, 2]] = 1
    ours = apply_before_cutmix(images, rows, settings).flatten(1)
    factors = rows.jitter_factors[:, 1].tolist()
    theirs = map(V.adjust_contrast, to_float(images), factors)
    expected = torch.stack(list(theirs)).flatten(1)
    assert torch.equal(ours[:, :-15], expected[:, :-15])
    torch.testing.assert_close(ours, expected, rtol=0, atol=1.2e-7)


def distance_to_a_tie(angle: float, side: int) -> NDArray[np.float64]:
    """Return how far, in pixels, each place (S, S) looks from the middle between two pixels, in doubles."""
    turn, base = math.radians(angle), np.arange(side) - (side - 1) / 2
    x, y = base[None, :], base[:, None]
    looked_up = np.stack([x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)])
    place = looked_up + (side - 1) / 2
    return np.abs(place - np.floor(place) - 0.5).min(0)


@pytest.mark.parametrize(("side", "count"), SIDES.items())
def test_rotation_differs_from_torchvisions_on_this_machine_at_ties_at_most(side: int, count: int) -> None:
    settings = with_p(NOTHING, rotation=1.0)
    images, rows = sample_images(count, side), draw(0, side, count, side, settings)
    ours = apply_before_cutmix(images, rows, settings)
    for x, y, angle in zip(to_float(images), ours, rows.rotation_angle.tolist(), strict=True):
        differ = (torchvisions_rotate(x, angle) != y).any(0).numpy()
        assert (distance_to_a_tie(angle, side)[differ] < 1e-4).all()


@pytest.mark.parametrize("settings", [TABLE_1, EVERYTHING], ids=["vsm", "everything"])
def test_views_stay_in_0_to_1_and_leave_images_and_draws_alone(settings: ViewSettings) -> None:
    images, rows = sample_images(60, 64), draw(0, 0, 60, 64, settings)
    result = apply(images, rows, np.arange(60) ^ 1, settings)
    assert result.min() >= 0
    assert result.max() <= 1 + 1e-6  # a resize rounds
    assert torch.equal(images, sample_images(60, 64))
    for name, drawn in vars(draw(0, 0, 60, 64, settings)).items():
        np.testing.assert_array_equal(getattr(rows, name), drawn)
