"""The operations of the VSM against torchvision's functional forms, image by image and bit for bit."""

import itertools
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
from views_settings import BASE, EVERYTHING, NOTHING, OPERATIONS, TABLE_1, sample_images, with_p

from erkt.params.views import ViewSettings
from erkt.views.apply import apply, apply_before_cutmix
from erkt.views.draws import Draws, draw
from erkt.views.geometry import resized_crop
from erkt.views.mixing import cutmix, erase

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


def reference(images: Tensor, rows: Draws, settings: ViewSettings) -> Tensor:
    """Apply the chain in Table 1's order with torchvision, one image after the other."""
    done = []
    for i, image in enumerate(images):
        x = V.to_dtype(image, torch.float32, scale=True)
        for name in BEFORE_CUTMIX:
            if getattr(rows, name)[i]:
                x = REFERENCE[name](x, rows, i, settings)
        done.append(x)
    return torch.stack(done)


def assert_equals_reference(count: int, side: int, settings: ViewSettings, seed: int = 0) -> None:
    images = sample_images(count, side, seed)
    rows = draw(seed, side, count, side, settings)
    ours, expected = apply_before_cutmix(images, rows, settings), reference(images, rows, settings)
    assert ours.dtype == torch.float32
    assert torch.equal(ours, expected), f"{(ours != expected).sum()} of {ours.numel()} values differ"


def test_every_byte_becomes_the_float_torchvision_makes_of_it() -> None:
    images = torch.arange(256, dtype=torch.uint8).repeat(3).view(1, 3, 16, 16)
    rows = draw(0, 0, 1, 16, NOTHING)
    expected = V.to_dtype(images, torch.float32, scale=True)
    assert torch.equal(apply(images, rows, np.zeros(1, dtype=np.int64), NOTHING), expected)


@pytest.mark.parametrize(("side", "count"), SIDES.items())
@pytest.mark.parametrize("operation", BEFORE_CUTMIX)
def test_each_operation_equals_torchvision(operation: str, side: int, count: int) -> None:
    assert_equals_reference(count, side, with_p(NOTHING, **{operation: 1.0}))


@pytest.mark.parametrize(("side", "count"), SIDES.items())
@pytest.mark.parametrize("settings", [TABLE_1, EVERYTHING, BASE], ids=["vsm", "everything", "base"])
def test_the_chain_equals_torchvision_in_table_1s_order(
    settings: ViewSettings, side: int, count: int
) -> None:
    assert_equals_reference(count, side, settings, seed=1)


@pytest.mark.parametrize("side", [64, 75])
def test_the_chain_equals_torchvision_when_every_gate_is_a_coin(side: int) -> None:
    assert_equals_reference(60, side, with_p(EVERYTHING, **dict.fromkeys(OPERATIONS, 0.5)), seed=2)


@pytest.mark.parametrize("two", list(itertools.combinations(BEFORE_CUTMIX, 2)), ids="-".join)
def test_every_two_operations_equal_torchvision_one_after_the_other(two: tuple[str, str]) -> None:
    assert_equals_reference(8, 64, with_p(NOTHING, **dict.fromkeys(two, 1.0)), seed=3)


@pytest.mark.parametrize(("side", "count"), SIDES.items())
def test_cutmix_equals_torchvisions(side: int, count: int) -> None:
    images = V.to_dtype(sample_images(count, side), torch.float32, scale=True)
    rows = draw(0, side, count, side, TABLE_1)
    partner = np.arange(count) ^ 1
    expected = []
    for i, (top, left, height, width) in enumerate(rows.cutmix_box.tolist()):
        # Torchvision mixes a batch by one box, each with the image before it.
        parameters = {"labels": None, "batch_size": 2, "box": (left, top, left + width, top + height)}
        pair = torch.stack([images[i], images[partner[i]]])
        expected.append(v2.CutMix(num_classes=2).transform(pair, parameters)[0])
    mixed = cutmix(images.clone(), rows.cutmix, rows.cutmix_box, partner)
    assert torch.equal(mixed, torch.stack(expected))


def test_erasing_fills_with_black_where_asked() -> None:
    settings = with_p(NOTHING, erasing=1.0)
    assert_equals_reference(20, 64, replace(settings, erasing=replace(settings.erasing, fill="black")))


def test_jitter_of_full_and_of_no_strength_equals_torchvision() -> None:
    settings = with_p(NOTHING, color_jitter=1.0)
    for strength in (1.0, 0.0):
        strengths = dict.fromkeys(("brightness", "contrast", "saturation"), strength)
        changed = replace(settings, color_jitter=replace(settings.color_jitter, **strengths))
        assert_equals_reference(40, 64, changed)
    images = sample_images(40, 64)
    untouched = apply_before_cutmix(images, draw(0, 0, 40, 64, changed), changed)
    assert torch.equal(untouched, V.to_dtype(images, torch.float32, scale=True))


def test_contrast_of_an_odd_side_equals_torchvisions_but_for_the_last_values_rounding() -> None:
    settings = with_p(NOTHING, color_jitter=1.0)
    images = sample_images(40, 75)
    rows = draw(0, 0, 40, 75, settings)
    rows.jitter_factors[:, [0, 2]] = 1
    ours = apply_before_cutmix(images, rows, settings).flatten(1)
    floats = V.to_dtype(images, torch.float32, scale=True)
    theirs = [V.adjust_contrast(x, float(f)) for x, f in zip(floats, rows.jitter_factors[:, 1], strict=True)]
    expected = torch.stack(theirs).flatten(1)
    assert torch.equal(ours[:, :-15], expected[:, :-15])
    torch.testing.assert_close(ours, expected, rtol=0, atol=1.2e-7)


@pytest.mark.parametrize("side", [64, 75])
@pytest.mark.parametrize("flips", [0.0, 1.0])
def test_right_angles_and_diagonals_equal_torchvision(side: int, flips: float) -> None:
    settings = with_p(NOTHING, rotation=1.0, horizontal_flip=flips, vertical_flip=flips)
    angles = np.array([0.0, 90, 180, 270, -90, -180, 45, -45, 135, -135, 30, 60, 1e-9, -1e-9])
    images = sample_images(len(angles), side)
    rows = replace(draw(0, 0, len(angles), side, settings), rotation_angle=angles)
    assert torch.equal(apply_before_cutmix(images, rows, settings), reference(images, rows, settings))


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
    images = sample_images(count, side)
    rows = draw(0, side, count, side, settings)
    ours, floats = apply_before_cutmix(images, rows, settings), V.to_dtype(images, torch.float32, scale=True)
    for x, y, angle in zip(floats, ours, rows.rotation_angle.tolist(), strict=True):
        differ = (torchvisions_rotate(x, angle) != y).any(0).numpy()
        assert (distance_to_a_tie(angle, side)[differ] < 1e-4).all()


def test_flips_move_every_pixel_of_every_side_length_to_its_mirror_place() -> None:
    settings = with_p(NOTHING, horizontal_flip=1.0)
    for side in [*range(1, 80), 96, 150, 224, 255, 256, 299, 512, 600]:
        images = sample_images(1, side)
        flipped = apply_before_cutmix(images, draw(0, 0, 1, side, settings), settings)
        assert torch.equal(flipped, V.to_dtype(images.flip(-1), torch.float32, scale=True)), side


@pytest.mark.parametrize("size", [1.0, 0.5, 1 / 64])
def test_crops_of_any_size_equal_torchvision(size: float) -> None:
    settings = with_p(NOTHING, resized_crop=1.0)
    settings = replace(settings, resized_crop=replace(settings.resized_crop, size=size))
    boxes = np.array([[0, 0, 64, 64], [63, 63, 1, 1], [0, 5, 32, 32], [10, 0, 50, 64], [3, 4, 1, 60]])
    images = sample_images(len(boxes), 64)
    rows = replace(draw(0, 0, len(boxes), 64, settings), resized_crop_box=boxes)
    assert torch.equal(apply_before_cutmix(images, rows, settings), reference(images, rows, settings))


def test_boxes_are_top_left_height_width_to_the_pixel() -> None:
    box = np.array([[1, 2, 3, 4]])
    inside = torch.zeros(1, 3, 8, 9)
    inside[:, :, [[1], [2], [3]], [2, 3, 4, 5]] = 1
    fires = np.array([True])
    assert torch.equal(erase(torch.zeros(1, 3, 8, 9), fires, box, (1.0, 1.0, 1.0)), inside)
    pair = torch.stack([torch.zeros(3, 8, 9), torch.ones(3, 8, 9)])
    mixed = cutmix(pair, np.array([True, False]), np.concatenate([box, box]), np.array([1, 0]))
    assert torch.equal(mixed[0], inside[0])
    assert torch.equal(mixed[1], torch.ones(3, 8, 9))
    assert torch.equal(resized_crop(inside[..., :8], np.array([[1, 2, 3, 4]]), 8), torch.ones(1, 3, 8, 8))


def test_partners_pixels_are_those_before_cutmix() -> None:
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 8, 8).clone()
    whole = np.tile([0, 0, 8, 8], (4, 1))
    mixed = cutmix(images.clone(), np.ones(4, dtype=bool), whole, np.array([1, 0, 3, 2]))
    assert torch.equal(mixed, images[[1, 0, 3, 2]])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_images_that_do_not_fire_keep_every_bit(operation: str) -> None:
    settings = with_p(NOTHING, **{operation: 0.5})
    images = sample_images(60, 75)
    rows = draw(4, 0, 60, 75, settings)
    plain = V.to_dtype(images, torch.float32, scale=True)
    same = (apply(images, rows, np.arange(60) ^ 1, settings) == plain).flatten(1).all(1).numpy()
    fires = getattr(rows, operation)
    assert same[~fires].all()
    assert same[fires].mean() < 0.6  # autocontrast finds many images at full contrast


def test_base_leaves_images_outside_cutmix_as_they_were() -> None:
    images = sample_images(200, 64)
    rows = draw(0, 0, 200, 64, BASE)
    before, after = apply_before_cutmix(images, rows, BASE), apply(images, rows, np.arange(200) ^ 1, BASE)
    same = (before == after).flatten(1).all(1).numpy()
    assert same[~rows.cutmix].all()
    assert 5 < rows.cutmix.sum() < 40
    assert same[rows.cutmix].mean() < 0.3


@pytest.mark.parametrize("settings", [TABLE_1, EVERYTHING], ids=["vsm", "everything"])
def test_views_stay_in_0_to_1_and_leave_images_and_draws_alone(settings: ViewSettings) -> None:
    images = sample_images(60, 64)
    rows = draw(0, 0, 60, 64, settings)
    copy: dict[str, Any] = {name: value.copy() for name, value in vars(rows).items()}
    result = apply(images, rows, np.arange(60) ^ 1, settings)
    assert result.min() >= 0
    assert result.max() <= 1 + 1e-6  # a resize rounds
    assert torch.equal(images, sample_images(60, 64))
    for name, value in copy.items():
        np.testing.assert_array_equal(getattr(rows, name), value)
