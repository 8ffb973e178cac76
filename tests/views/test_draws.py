"""Draws against Table 1's distributions, against torchvision's own parameter draws and against fixed numbers.

All streams are fixed, so a p-value below the bound is a wrong distribution, never bad luck.
"""

import hashlib
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torchvision.transforms import v2
from views_settings import BASE, COINS, OPERATIONS, TABLE_1, with_p

from erkt.params.views import ColorJitter, ViewSettings
from erkt.views.boxes import TRIES, crop_boxes, erasing_boxes
from erkt.views.draws import Draws, draw

COUNT = 20_000
SMALL = 12  # pixels: few enough that an error of one pixel shows in a histogram


@pytest.fixture(scope="module")
def drawn() -> Draws:
    return draw(0, 0, COUNT, 64, TABLE_1)


def uniform_p_value(values: NDArray[Any], low: float, high: float) -> float:
    return float(stats.kstest((values - low) / (high - low), "uniform").pvalue)


def differing(a: Draws, b: Draws) -> set[str]:
    return {f.name for f in fields(Draws) if not np.array_equal(getattr(a, f.name), getattr(b, f.name))}


@pytest.mark.parametrize("settings", [TABLE_1, BASE], ids=["vsm", "base"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_operations_fire_as_often_as_their_probability_says(operation: str, settings: ViewSettings) -> None:
    p = getattr(settings, operation).p
    fired = getattr(draw(3, 1, COUNT, 64, settings), operation)
    assert fired.dtype == np.bool_
    assert abs(fired.mean() - p) <= 5 * np.sqrt(p * (1 - p) / COUNT)


def test_gates_are_independent_of_each_other_and_of_what_they_gate() -> None:
    drawn = draw(0, 0, COUNT, 64, COINS)
    columns = [getattr(drawn, name).astype(float) for name in OPERATIONS]
    columns += [*drawn.jitter_factors.T, drawn.rotation_angle]
    columns += [*drawn.cutmix_box.T[2:], *drawn.erasing_box.T[2:]]
    correlation = np.corrcoef(columns)
    # Width and height of one box belong together; all else is independent, with deviation 1 / sqrt(COUNT).
    correlation[13, 14] = correlation[14, 13] = correlation[15, 16] = correlation[16, 15] = 0
    assert np.abs(correlation - np.eye(len(columns))).max() < 5 / np.sqrt(COUNT)


def test_each_jitter_factor_is_uniform_by_its_own_strength(drawn: Draws) -> None:
    for factors in drawn.jitter_factors.T:
        assert uniform_p_value(factors, 0.5, 1.5) > 1e-3
    settings = replace(TABLE_1, color_jitter=ColorJitter(p=1.0, brightness=0.1, contrast=0.0, saturation=1.0))
    brightness, contrast, saturation = draw(0, 0, COUNT, 64, settings).jitter_factors.T
    assert uniform_p_value(brightness, 0.9, 1.1) > 1e-3
    assert (contrast == 1).all()
    assert uniform_p_value(saturation, 0.0, 2.0) > 1e-3


def test_the_six_orders_of_jitter_are_equally_likely(drawn: Draws) -> None:
    np.testing.assert_array_equal(np.sort(drawn.jitter_order, axis=1), np.tile([0, 1, 2], (COUNT, 1)))
    _, counts = np.unique(drawn.jitter_order, axis=0, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("degrees", [180.0, 10.0])
def test_angles_are_uniform_both_ways(degrees: float) -> None:
    settings = replace(TABLE_1, rotation=replace(TABLE_1.rotation, degrees=degrees))
    assert uniform_p_value(draw(0, 0, COUNT, 64, settings).rotation_angle, -degrees, degrees) > 1e-3


def torchvision_boxes(operation: str, side: int, count: int) -> NDArray[np.int64]:
    """Draw boxes with torchvision's own code: (top, left, height, width)."""
    image = torch.empty(2, 3, side, side)
    transforms: dict[str, tuple[Any, Callable[[dict[str, Any]], list[int]]]] = {
        "erasing": (v2.RandomErasing(p=1.0), lambda d: [d["i"], d["j"], d["h"], d["w"]]),
        "resized_crop": (
            v2.RandomResizedCrop(side),
            lambda d: [d["top"], d["left"], d["height"], d["width"]],
        ),
        "cutmix": (
            v2.CutMix(num_classes=2),
            lambda d: [d["box"][1], d["box"][0], d["box"][3] - d["box"][1], d["box"][2] - d["box"][0]],
        ),
    }
    transform, box = transforms[operation]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return np.array([box(transform.make_params([image])) for _ in range(count)])


@pytest.mark.parametrize("operation", ["erasing", "resized_crop", "cutmix"])
def test_boxes_are_distributed_as_torchvisions(operation: str) -> None:
    ours = getattr(draw(0, 0, COUNT, SMALL, TABLE_1), f"{operation}_box")
    theirs = torchvision_boxes(operation, SMALL, 5000)
    for columns in ([0], [1], [2], [3], [0, 2], [1, 3]):  # single numbers, then the far edges
        counts = [np.bincount(box[:, columns].sum(1), minlength=SMALL + 1) for box in (ours, theirs)]
        table = np.array(counts)[:, np.sum(counts, axis=0) >= 20]
        assert table.shape[1] >= 4
        assert stats.chi2_contingency(table).pvalue > 1e-3
    for value in (lambda box: box[:, 2] * box[:, 3], lambda box: (box[:, 2] + 0.5) / (box[:, 3] + 0.5)):
        assert stats.ks_2samp(value(ours), value(theirs)).pvalue > 1e-3


def test_the_first_valid_try_of_a_box_wins() -> None:
    tries = np.full((1, TRIES, 4), 0.5)
    tries[0, 0] = [0.9999, 0.5, 0.1, 0.1]  # 100 pixels: erasing must leave something of the image
    tries[0, 1] = [0.25, 0.5, 0.0, 0.999]
    assert erasing_boxes(tries, 100, (0.0, 1.0), (0.5, 2.0)).tolist() == [[0, 50, 50, 50]]
    assert crop_boxes(tries, 100, (0.0, 1.0), (0.5, 2.0)).tolist() == [[0, 0, 100, 100]]
    tries[0, 1] = [0.125, 1.0, 0.5, 0.5]  # 1,250 square pixels at a ratio of 2
    assert erasing_boxes(tries, 100, (0.0, 1.0), (0.5, 2.0)).tolist() == [[25, 38, 50, 25]]
    assert crop_boxes(tries[:, 1:], 100, (0.0, 1.0), (0.5, 2.0)).tolist() == [[38, 25, 25, 50]]


@pytest.mark.parametrize("ratio", [(1.5, 2.0), (0.3, 0.6), (0.5, 2.0)])
def test_without_a_valid_try_nothing_is_erased_and_the_crop_is_torchvisions_central_one(
    ratio: tuple[float, float],
) -> None:
    tries = np.random.default_rng(0).random((50, TRIES, 4))
    scale = (4.5, 4.5)  # larger than the image by any ratio
    assert not erasing_boxes(tries, 75, scale, ratio).any()
    theirs = v2.RandomResizedCrop(75, scale=scale, ratio=ratio).make_params([torch.empty(3, 75, 75)])
    expected = [theirs[name] for name in ("top", "left", "height", "width")]
    assert crop_boxes(tries, 75, scale, ratio).tolist() == [expected] * 50


@pytest.mark.parametrize("operation", OPERATIONS)
def test_leaving_an_operation_out_changes_no_other_draw(operation: str) -> None:
    without = draw(0, 0, 500, 64, with_p(COINS, **{operation: 0.0}))
    assert not getattr(without, operation).any()
    assert differing(draw(0, 0, 500, 64, COINS), without) == {operation}


def test_draws_depend_on_seed_and_view_and_not_on_the_samples_behind() -> None:
    first = draw(1, 2, 200, 64, COINS)
    assert differing(first, draw(1, 2, 400, 64, COINS).rows(np.arange(200))) == set()
    for other in (draw(2, 2, 200, 64, COINS), draw(1, 3, 200, 64, COINS), draw(2, 1, 200, 64, COINS)):
        assert differing(first, other) == {field.name for field in fields(Draws)}


def test_draws_are_those_of_earlier_versions() -> None:
    drawn = draw(7, 3, 40, 128, TABLE_1)
    columns = b"".join(getattr(drawn, field.name).tobytes() for field in fields(Draws))
    assert hashlib.sha256(columns).hexdigest() == (
        "a7911be431011dee7d891f7095773f3c62ee2d55b88f49c25c0fb4d014a51d26"
    )
