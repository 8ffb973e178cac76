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
from views_settings import COINS, EVERYTHING, NOTHING, TABLE_1, sample_images, with_p

from erkt.errors import ErktError
from erkt.params.views import ViewSettings
from erkt.views.pairs import batches
from erkt.views.view import Rendered, View

HERE = Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def make(count: int, side: int = 64, settings: ViewSettings = TABLE_1) -> View:
    return View.make(0, 0, np.arange(count) % 7, side, settings)


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
    ("count", "side", "settings"), [(94, 64, COINS), (95, 75, EVERYTHING), (33, 256, TABLE_1)]
)
def test_pixels_are_the_same_in_every_batch_size_order_and_number_of_threads(
    count: int, side: int, settings: ViewSettings
) -> None:
    images, view = sample_images(count, side), make(count, side, settings)
    torch.set_num_threads(1)
    expected = whole(view, images)
    for threads, batch_size, epoch in [(1, 2, 1), (1, 64, 2), (2, 2, 3), (2, 30, 4)]:
        torch.set_num_threads(threads)
        for ours, theirs in zip(whole(view, images, batch_size, epoch), expected, strict=True):
            assert torch.equal(ours, theirs), (threads, batch_size)
    torn_apart = np.random.default_rng(0).permutation(count)
    for ours, theirs in zip(view.render(images[torn_apart], torn_apart), expected, strict=True):
        assert torch.equal(ours, theirs[torn_apart])


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


@pytest.mark.parametrize("p", [1.0, 0.5])
def test_alpha_and_labels_tell_what_comes_from_the_partner(p: float) -> None:
    count, side = 101, 64
    view = make(count, side, with_p(NOTHING, cutmix=p))
    flat = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(count, 3, side, side).contiguous()
    mixed = whole(view, flat)
    source = mixed.images.mul(255).round().long()  # which sample a pixel comes from
    own, partner = torch.arange(count).view(-1, 1, 1, 1), torch.from_numpy(view.partners).view(-1, 1, 1, 1)
    assert ((source == own) | (source == partner)).all()
    assert torch.equal(mixed.alpha, (source != own).float().mean((1, 2, 3)))
    lone = int(np.flatnonzero(view.partners == np.arange(count))[0])
    assert mixed.alpha[lone] == 0
    boxed = torch.from_numpy(view.draws.cutmix & view.draws.cutmix_box[:, 2:].all(1))
    assert torch.equal(mixed.alpha > 0, boxed)
    for i in np.flatnonzero(view.draws.cutmix):
        top, left, height, width = view.draws.cutmix_box[i]
        assert (source[i, :, top : top + height, left : left + width] == view.partners[i]).all()
    assert mixed.label_a.dtype == mixed.label_b.dtype == torch.int64
    assert mixed.label_a.tolist() == view.labels.tolist()
    assert mixed.label_b.tolist() == view.labels[view.partners].tolist()


def test_images_of_another_kind_are_refused() -> None:
    view = make(10)
    batch = batches(view.partners, 0, 0, 4)[0]
    right = torch.zeros(4, 3, 64, 64, dtype=torch.uint8)
    message = r"4 samples at 64 pixels needs uint8 images of shape \(4, 3, 64, 64\)"
    for wrong in (right.float(), right[..., :32, :32], right[:3], right.movedim(1, -1)):
        with pytest.raises(ErktError, match=message):
            view.render(wrong, batch)
