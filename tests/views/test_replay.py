"""A view is the same pixels whenever, wherever and in whatever batches it is rendered."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from views_settings import EVERYTHING, NOTHING, OPERATIONS, TABLE_1, sample_images, with_p

from erkt.errors import ErktError
from erkt.params.views import ViewSettings
from erkt.views.apply import apply_before_cutmix
from erkt.views.draws import draw
from erkt.views.pairs import batches
from erkt.views.view import Rendered, View

HERE = Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def make(
    count: int, side: int = 64, settings: ViewSettings = TABLE_1, seed: int = 0, number: int = 0
) -> View:
    return View.make(seed, number, np.arange(count) % 7, side, settings)


def whole(view: View, images: Tensor, batch_size: int = 30, epoch: int = 0) -> Rendered:
    """Render all samples in batches of an epoch's order and put them back into their places."""
    order = batches(view.partners, 0, epoch, batch_size)
    parts = [view.render(images[batch], batch) for batch in order]
    place = torch.from_numpy(np.argsort(np.concatenate(order)))
    return Rendered(*(torch.cat(column)[place] for column in zip(*parts, strict=True)))


def digest(rendered: Rendered) -> str:
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in rendered)).hexdigest()


def digest_of_a_view(threads: int) -> str:
    """Digest of a fixed view; also what the other process computes."""
    torch.set_num_threads(threads)
    return digest(whole(make(61, 75, EVERYTHING), sample_images(61, 75)))


@pytest.mark.parametrize(
    ("count", "side", "settings"),
    [(96, 64, TABLE_1), (94, 64, EVERYTHING), (95, 75, EVERYTHING), (33, 256, TABLE_1)],
    ids=["64-vsm", "64-everything", "75-everything", "256-vsm"],
)
def test_pixels_are_the_same_in_every_batch_size_order_and_number_of_threads(
    count: int, side: int, settings: ViewSettings
) -> None:
    images, view = sample_images(count, side), make(count, side, settings)
    torch.set_num_threads(1)
    expected = whole(view, images)
    for threads, batch_size, epoch in [(1, 2, 1), (1, 64, 2), (2, 2, 3), (2, 30, 4), (2, 64, 0)]:
        torch.set_num_threads(threads)
        for ours, theirs in zip(whole(view, images, batch_size, epoch), expected, strict=True):
            assert torch.equal(ours, theirs), (threads, batch_size)


def test_rendering_leaves_the_number_of_threads_as_it_was() -> None:
    images, view = sample_images(12, 128), make(12, 128)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        whole(view, images)
        assert torch.get_num_threads() == threads


def test_a_single_image_has_the_pixels_it_has_in_a_batch() -> None:
    # Left to itself torch shares the one mean of an image of this size out among its threads.
    images, rows = sample_images(12, 256), draw(0, 0, 12, 256, TABLE_1)
    torch.set_num_threads(1)
    expected = apply_before_cutmix(images, rows, TABLE_1)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        alone = [apply_before_cutmix(images[i : i + 1], rows.rows(np.array([i])), TABLE_1) for i in range(12)]
        assert torch.equal(torch.cat(alone), expected), threads


def test_pixels_are_the_same_when_pairs_are_torn_apart_within_a_batch() -> None:
    images, view = sample_images(41, 64), make(41)
    expected = whole(view, images)
    shuffled = np.random.default_rng(0).permutation(41)
    for ours, theirs in zip(view.render(images[shuffled], shuffled), expected, strict=True):
        assert torch.equal(ours, theirs[shuffled])


def test_pixels_are_the_same_in_another_process_and_with_other_threads() -> None:
    path = os.pathsep.join([str(HERE.parents[1]), str(HERE.parent), str(HERE)])
    result = subprocess.run(
        [sys.executable, "-c", "import test_replay; print(test_replay.digest_of_a_view(2))"],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == digest_of_a_view(1)


def test_another_view_and_another_seed_give_other_pairs_and_pixels() -> None:
    images = sample_images(40, 64)
    view = make(40)
    pixels = whole(view, images).images
    for other in (make(40, number=1), make(40, seed=1)):
        assert (other.partners != view.partners).any()
        assert (whole(other, images).images != pixels).flatten(1).any(1).all()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_leaving_an_operation_out_leaves_images_alone_where_it_did_not_fire(operation: str) -> None:
    coins = with_p(NOTHING, **dict.fromkeys(OPERATIONS, 0.5))
    view, without = make(80, 64, coins), make(80, 64, with_p(coins, **{operation: 0.0}))
    np.testing.assert_array_equal(view.partners, without.partners)
    fired = getattr(view.draws, operation)
    if operation != "cutmix":  # a partner's change shows inside the mixed box
        fired = fired | (view.draws.cutmix & fired[view.partners])
    images = sample_images(80, 64)
    same = (whole(view, images).images == whole(without, images).images).flatten(1).all(1).numpy()
    assert same[~fired].all()
    assert not same[fired].all()


def flat_images(count: int, side: int) -> Tensor:
    """Image i has the value i everywhere, so that a pixel tells where it comes from."""
    return torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(count, 3, side, side).contiguous()


@pytest.mark.parametrize("p", [1.0, 0.5])
def test_alpha_is_the_share_of_pixels_that_come_from_the_partner(p: float) -> None:
    count, side = 101, 64
    view = make(count, side, with_p(NOTHING, cutmix=p))
    mixed = whole(view, flat_images(count, side))
    source = mixed.images.mul(255).round().long()
    own = torch.arange(count).view(-1, 1, 1, 1)
    partner = torch.from_numpy(view.partners).view(-1, 1, 1, 1)
    assert ((source == own) | (source == partner)).all()
    lone = int(np.flatnonzero(view.partners == np.arange(count))[0])
    share = (source != own).float().mean((1, 2, 3))
    assert torch.equal(mixed.alpha, share)
    assert mixed.alpha[lone] == 0
    assert mixed.alpha.dtype == torch.float32
    assert torch.equal(
        mixed.alpha > 0, torch.from_numpy(view.draws.cutmix & (view.draws.cutmix_box[:, 2:].all(1)))
    )
    for i in np.flatnonzero(view.draws.cutmix):
        top, left, height, width = view.draws.cutmix_box[i]
        assert (source[i, :, top : top + height, left : left + width] == view.partners[i]).all()


def test_labels_are_the_samples_and_its_partners() -> None:
    labels = np.random.default_rng(0).integers(0, 30, 50)
    view = View.make(0, 0, labels, 8, TABLE_1)
    batch = batches(view.partners, 0, 0, 10)[2]
    rendered = view.render(sample_images(10, 8), batch)
    assert rendered.label_a.dtype == rendered.label_b.dtype == torch.int64
    assert rendered.label_a.tolist() == labels[batch].tolist()
    assert rendered.label_b.tolist() == labels[view.partners[batch]].tolist()
    # Partners stand side by side, so the second label of one is the first of the other.
    assert rendered.label_b.tolist() == rendered.label_a.view(-1, 2).flip(1).flatten().tolist()


def test_a_sample_without_a_partner_stays_unmixed_and_keeps_its_other_draws() -> None:
    view, all_but_mixing = make(31), make(31, settings=with_p(TABLE_1, cutmix=0.0))
    lone = int(np.flatnonzero(view.partners == np.arange(31))[0])
    assert view.draws.cutmix.sum() == 30
    images = sample_images(31, 64)
    mixed, unmixed = whole(view, images), whole(all_but_mixing, images)
    assert torch.equal(mixed.images[lone], unmixed.images[lone])
    assert mixed.label_a[lone] == mixed.label_b[lone]


def test_a_batch_that_splits_a_pair_is_refused() -> None:
    view = make(10)
    batch = batches(view.partners, 0, 0, 4)[0][:3]
    with pytest.raises(
        ErktError, match=rf"sample {batch[2]} is there without its partner {view.partners[batch[2]]}"
    ):
        view.render(sample_images(3, 64), batch)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(4, 3, 64, 64),
        torch.zeros(4, 3, 32, 32, dtype=torch.uint8),
        torch.zeros(3, 3, 64, 64, dtype=torch.uint8),
        torch.zeros(4, 64, 64, 3, dtype=torch.uint8),
    ],
    ids=["float", "side", "count", "layout"],
)
def test_images_of_another_kind_are_refused(images: Tensor) -> None:
    view = make(10)
    with pytest.raises(
        ErktError, match=r"4 samples at 64 pixels needs uint8 images of shape \(4, 3, 64, 64\)"
    ):
        view.render(images, batches(view.partners, 0, 0, 4)[0])
