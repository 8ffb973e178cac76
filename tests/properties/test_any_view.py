"""Views: any draw on images of any size gives values in range, and the same bits whenever it is replayed."""

from dataclasses import fields

import numpy as np
import torch
from any_params import blocks
from hypothesis import example, given
from hypothesis import strategies as st
from views_settings import EVERYTHING, TABLE_1, sample_images

from erkt.params.schema import as_dict, build
from erkt.params.views import ViewSettings
from erkt.views.pairs import batches, in_order, partners
from erkt.views.view import View

SEEDS = st.integers(0, 2**63 - 1)
ROUNDING = 1e-5
"""By how much a resize may leave [0, 1]."""


def whole(settings: dict[str, object]) -> ViewSettings:
    return build(ViewSettings, settings, "views")


@given(SEEDS, st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 40), blocks(ViewSettings).map(whole))
@example(0, 0, 5, 1, EVERYTHING)
@example(0, 0, 4, 8, TABLE_1)
def test_any_view_of_any_size_has_values_in_range_and_replays_to_the_bit(
    seed: int, number: int, count: int, side: int, settings: ViewSettings
) -> None:
    labels = np.arange(count) % 3
    images = sample_images(count, side, seed % 1000)
    before = images.clone()
    view = View.make(seed, number, labels, side, settings)
    everyone = np.arange(count)
    found = view.render(images, everyone)
    assert torch.equal(images, before)
    assert (found.images.shape, found.images.dtype) == ((count, 3, side, side), torch.float32)
    assert torch.isfinite(found.images).all()
    assert -ROUNDING <= float(found.images.min()) <= float(found.images.max()) <= 1 + ROUNDING
    assert 0 <= float(found.alpha.min()) <= float(found.alpha.max()) <= 1
    for boxes in (view.draws.erasing_box, view.draws.resized_crop_box, view.draws.cutmix_box):
        top, left, height, width = boxes.T
        assert (np.minimum(top, left) >= 0).all()
        assert (np.maximum(top + height, left + width) <= side).all()
    again = View.make(seed, number, labels, side, settings)
    for batch in in_order(again.partners, 2):
        part = again.render(images[batch], batch)
        for ours, theirs in zip(part, found, strict=True):
            assert torch.equal(ours, theirs[batch])
    longer = View.make(seed, number, np.arange(count + 3) % 3, side, settings).draws.rows(everyone)
    for field in fields(longer):
        if field.name != "cutmix":  # whoever has no partner is not mixed
            assert np.array_equal(getattr(longer, field.name), getattr(view.draws, field.name)), field.name


@given(SEEDS, st.integers(0, 10**6), st.integers(0, 200), st.integers(1, 40), st.integers(0, 10**6))
def test_batches_hold_every_sample_once_beside_its_partner(
    seed: int, view: int, count: int, half: int, epoch: int
) -> None:
    paired = partners(seed, view, count)
    assert np.array_equal(paired[paired], np.arange(count))
    assert (paired == np.arange(count)).sum() == count % 2
    order = batches(paired, seed, epoch, 2 * half)
    assert sorted(place for batch in order for place in batch) == list(range(count))
    assert all(set(paired[batch]) == set(batch) for batch in order)
    assert all(len(batch) == 2 * half for batch in order[:-1])
    assert len(order[-1]) < 3 * half + (count < half)


@given(blocks(ViewSettings))
def test_settings_of_views_come_back_from_their_record(settings: dict[str, object]) -> None:
    assert whole(as_dict(whole(settings))) == whole(settings)
