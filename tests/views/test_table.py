"""The chain for devices, by masks on whole batches, against the CPU's, which is torchvision's bit for bit."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from views_settings import BASE, COINS, EVERYTHING, NOTHING, OPERATIONS, TABLE_1, sample_images, with_p

from erkt.errors import ErktError
from erkt.params.views import ViewSettings
from erkt.views.masked import resampling
from erkt.views.view import View

SIDES = {64: 80, 128: 70, 256: 30, 75: 41}  # pixels: images, 221 in all
CROP = 2e-6
"""What a crop may differ by: products of matrices sum in another order than torch's interpolation."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The mean of one large image depends on the number of threads; that path has one for it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def both(settings: ViewSettings, side: int, count: int, **draws: NDArray[Any]) -> tuple[View, Tensor, Tensor]:
    """Return a view and its images by either path, in a batch of another order; the rest must be equal."""
    view = View.make(0, side, np.arange(count) % 7, side, settings)
    view = replace(view, draws=replace(view.draws, **draws))
    order = np.random.default_rng(0).permutation(count)
    images = sample_images(count, side)[order]
    here = view.render(images, order)
    there = view.by_table(images, torch.from_numpy(view.index(order)))
    for ours, theirs in zip(here[1:], there[1:], strict=True):
        assert torch.equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    assert torch.equal(images, sample_images(count, side)[order])
    return view, here.images, there.images


@pytest.mark.parametrize(("side", "count"), SIDES.items())
@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "resized_crop"])
def test_each_operation_has_the_cpus_bits(operation: str, side: int, count: int) -> None:
    for p in (0.5, 1.0):
        _, here, there = both(with_p(NOTHING, **{operation: p}), side, count)
        assert torch.equal(here, there)


@pytest.mark.parametrize(("side", "count"), SIDES.items())
@pytest.mark.parametrize(
    "settings", [TABLE_1, EVERYTHING, BASE, COINS], ids=["vsm", "everything", "base", "coins"]
)
def test_the_chain_has_the_cpus_bits_but_for_crops(settings: ViewSettings, side: int, count: int) -> None:
    _, here, there = both(with_p(settings, resized_crop=0.0), side, count)
    assert torch.equal(here, there)
    view, here, there = both(settings, side, count)
    touched = view.draws.resized_crop | view.draws.resized_crop[view.partners]
    differ = (here - there).abs().amax((1, 2, 3))
    order = np.random.default_rng(0).permutation(count)
    assert not differ[torch.from_numpy(~touched[order])].any()
    assert differ.max() <= CROP


BOXES = np.array(
    [[0, 0, 64, 64], [63, 63, 1, 1], [0, 5, 32, 32], [10, 0, 50, 64], [3, 4, 1, 60], [0, 0, 2, 3]]
)
ANGLES = np.array([0.0, 90, 180, 270, -90, -180, 45, -45, 135, -135, 30, 60, 1e-9, -1e-9])


@pytest.mark.parametrize("size", [1.0, 0.6875, 0.5, 1 / 64])
@pytest.mark.parametrize("side", [64, 75])
def test_crops_of_every_shape_are_torchs_interpolation(size: float, side: int) -> None:
    settings = with_p(NOTHING, resized_crop=1.0)
    settings = replace(settings, resized_crop=replace(settings.resized_crop, size=size))
    _, here, there = both(settings, side, len(BOXES), resized_crop_box=BOXES)
    assert (here - there).abs().max() <= CROP


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("side", [64, 75, 1])
def test_ties_of_the_rotation_fall_as_on_the_cpu(side: int, flips: bool) -> None:
    settings = with_p(NOTHING, rotation=1.0, horizontal_flip=float(flips), vertical_flip=float(flips))
    _, here, there = both(settings, side, len(ANGLES), rotation_angle=ANGLES)
    assert torch.equal(here, there)


def test_weights_of_resampling_are_those_of_antialiased_interpolation() -> None:
    """Against torch's own on unit vectors, whose images are the columns of the matrix."""
    for extent, size in [(1, 1), (7, 3), (3, 7), (64, 44), (44, 64), (5, 64), (64, 5), (9, 9)]:
        places, targets = torch.arange(float(extent)), torch.arange(float(size))
        weights = resampling(places, torch.tensor(float(extent)), targets)
        units = torch.eye(extent).view(extent, 1, 1, extent).expand(-1, -1, 2, -1)
        expected = F.interpolate(units, (2, size), mode="bilinear", antialias=True)[:, 0, 0].T
        torch.testing.assert_close(weights, expected, rtol=0, atol=1e-6)


def test_a_batch_that_splits_a_pair_is_refused() -> None:
    view = View.make(0, 0, np.arange(10), 64, TABLE_1)
    with pytest.raises(ErktError, match="without its partner"):
        view.index(np.array([0, 1, 2]))
