"""A student's epoch from the cache against a loop as a user writes it, on the same images as files."""

import os
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from benchmarks import others, paper
from benchmarks.session import Bench, Race
from benchmarks.training import cached_teachers, epochs
from erkt.data.images import Subset
from erkt.scenes import CLASSES, render

BATCHES = {"cpu": 4, "cuda": 40}
WORKERS = {"cpu": os.cpu_count() or 1, "cuda": 16}
TAU = 2.0
_DISTINCT = (
    120  # scenes; more images repeat them, since what they show does not matter and drawing takes long
)


@pytest.mark.parametrize("side", [128, 256])
def test_plain(side: int, bench: Bench, race: Race, tmp_path: Path) -> None:
    """ImageFolder, torchvision v2 image by image, the ensemble online, the same loss; NCHW, plain AdamW.

    On a GPU with torch's own settings: TF32 in convolutions, and kernels that need not repeat their bits.
    On a CPU with and without worker processes, whichever is faster: beside a step that takes all cores they
    may not pay. Beside a GPU with them.
    """
    if bench.quick and side > 128:
        pytest.skip("the short version")
    subset, workers = _scenes(BATCHES[bench.device.type] * paper.BATCH, side), WORKERS[bench.device.type]
    _write(subset, tmp_path)
    teachers = paper.teachers(side, bench.device)
    data = paper.data(subset, bench.device)
    ours, theirs = (paper.network(paper.STUDENT, side, bench.device) for _ in range(2))
    mean, std = theirs.card.mean, theirs.card.std
    networks = [paper.network(member.card.arch, side, bench.device).network for member in teachers.members]

    def teach(images: Tensor) -> Tensor:
        with torch.no_grad():
            return sum(weight * net(images) for weight, net in zip(teachers.weights, networks, strict=True))

    _check_loss(teach, side, bench)
    chain = v2.Compose(
        [v2.PILToTensor(), others.torchvision_chain(data.settings, side), v2.Normalize(mean, std)]
    )
    folder, pinned = ImageFolder(tmp_path, chain), bench.device.type == "cuda"
    load = partial(DataLoader, folder, paper.BATCH, shuffle=True, pin_memory=pinned)
    loaders = {f"{workers} workers": load(num_workers=workers, persistent_workers=True)}
    if not pinned:
        loaders = {"no workers": load(), **loaders}
    mix = v2.CutMix(num_classes=len(paper.CLASSES))
    student = theirs.network.train()

    optimizer = torch.optim.AdamW(student.parameters(), lr=2e-4, weight_decay=1e-6)

    def plain(loader: DataLoader[tuple[Tensor, Tensor]]) -> None:
        with others.torchs_own_settings():
            for images, labels in loader:
                images, targets = mix(images.to(bench.device), labels.to(bench.device))
                loss = plain_loss(student(images), teach(images), targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    calls = {"ours": epochs(ours, data, cached_teachers(teachers, data))}
    seconds = race(calls | {name: partial(plain, loader) for name, loader in loaders.items()})
    own = seconds.pop("ours")
    fastest = min(seconds, key=lambda name: statistics.median(seconds[name]))
    ratios = [theirs / mine for mine, theirs in zip(own, seconds[fastest], strict=True)]
    note = "ours after prepare and caching"
    bench.add("plain", f"a plain loop, {fastest}", ratios, size=side, batch=paper.BATCH, note=note)


def plain_loss(student: Tensor, teacher: Tensor, targets: Tensor) -> Tensor:
    """Return eq. 15 with R = 1, with CutMix's labels as shares of classes (B, C)."""
    return F.cross_entropy(student, targets) + others.dist(student, teacher, TAU)


def _check_loss(teach: Callable[[Tensor], Tensor], side: int, bench: Bench) -> None:
    """Compare the loss of one batch with ours."""
    data = paper.data(paper.images(paper.BATCH, side), bench.device)
    batch = data.batch(data.view(0), data.in_order(0)[0])
    student, teacher = torch.randn(2, paper.BATCH, len(paper.CLASSES), device=bench.device)
    assert teach(batch.images).shape == teacher.shape
    one, two = (F.one_hot(label, len(paper.CLASSES)) for label in (batch.label_a, batch.label_b))
    alpha = batch.alpha[:, None]
    ours = paper.objective()(student, teacher, batch.label_a, batch.label_b, batch.alpha, 0)["loss"]
    torch.testing.assert_close(plain_loss(student, teacher, (1 - alpha) * one + alpha * two), ours)


def _scenes(count: int, side: int) -> Subset:
    """Return rendered scenes, which JPEG compresses as it does photographs, for the paper's classes."""
    made = paper.images(count, side)
    for place in range(min(count, _DISTINCT)):
        made.array[place] = render(CLASSES[place % len(CLASSES)], 0, place, side).transpose(2, 0, 1)
    for place in range(_DISTINCT, count):
        made.array[place] = made.array[place % _DISTINCT]
    return made


def _write(subset: Subset, folder: Path) -> None:
    for key, pixels in zip(subset.keys, subset.pixels(range(len(subset))), strict=True):
        path = folder / key
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(path.with_suffix(".jpg"), quality=95)
