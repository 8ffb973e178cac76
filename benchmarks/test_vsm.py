"""A batch of views against torchvision, image by image, alone and in workers, and kornia in batches."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from benchmarks import paper
from benchmarks.others import kornia_chain, torchvision_chain
from benchmarks.session import Bench, Race
from erkt.machine.device import send
from erkt.views import fused
from erkt.views.batches import ViewBatches

WORKERS = {"cpu": os.cpu_count() or 1, "cuda": 16}
_BATCHES = 40  # of an epoch, so that the first one's wait does not count


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("side", [64, 128, 256])
def test_vsm(side: int, bench: Bench, race: Race) -> None:
    """Table 1 with fresh draws, from uint8 images to a batch in [0, 1], with one thread each.

    Beside kornia where that is installed.
    """
    data, pixels, labels = _made(side, bench.device)
    one_by_one, mix = torchvision_chain(data.settings, side), v2.CutMix(num_classes=len(paper.CLASSES))
    calls = {
        "ours": _ours(data, pixels),
        "torchvision": lambda: mix(torch.stack([one_by_one(image) for image in pixels]), labels)[0],
    }
    if find_spec("kornia"):
        calls["kornia"] = _kornia(data, pixels)
    for call in calls.values():
        made = call()
        assert (made.shape, made.dtype) == (pixels.shape, torch.float32)
    seconds = race(calls, times=1 if side > 128 else 4)
    for row, name, against in (
        ("vsm", "torchvision", "torchvision v2 image by image"),
        ("vsm kornia", "kornia", "kornia, batched"),
    ):
        if name not in seconds:
            continue
        ratios = [theirs / own for own, theirs in zip(seconds["ours"], seconds[name], strict=True)]
        note = "its crop: all images or none" if name == "kornia" else ""
        bench.add(row, against, ratios, size=side, batch=paper.BATCH, note=note)


@pytest.mark.parametrize("side", [64, 128, 256])
def test_vsm_fused(side: int, bench: Bench, race: Race) -> None:
    """A batch of a view whose draws are on the device already: by the fused kernels against masks."""
    if bench.device.type == "cpu" or not fused.available():
        pytest.skip("the fused kernels are a GPU's")
    masks, pixels, _ = _made(side, bench.device)
    calls = {}
    for name, data in (("masks", masks), ("fused", replace(masks, fused=True))):
        view, order = data.view(0), data.in_order(0)[0]
        index, ordered = send(view.index(order), bench.device), pixels[torch.from_numpy(order)]
        calls[name] = partial(view.by_table, ordered, index)
    seconds = race(calls, times=50)
    ratios = [masks / own for own, masks in zip(seconds["fused"], seconds["masks"], strict=True)]
    bench.add("vsm fused", "the same by masks", ratios, size=side, batch=paper.BATCH)


@pytest.mark.parametrize("side", [64, 128, 256])
def test_vsm_against_workers(side: int, bench: Bench, race: Race) -> None:
    """The same with all threads, against a DataLoader with a worker a core (16 beside a GPU)."""
    if bench.quick and side > 64:
        pytest.skip("the short version")
    data, pixels, labels = _made(side, bench.device)
    workers, chain = WORKERS[bench.device.type], torchvision_chain(data.settings, side)
    images = _Images(pixels.cpu(), chain, _BATCHES * len(pixels))
    pinned = bench.device.type == "cuda"
    loader = DataLoader(images, len(pixels), num_workers=workers, persistent_workers=True, pin_memory=pinned)
    mix = v2.CutMix(num_classes=len(paper.CLASSES))
    ours = _ours(data, pixels)

    def loaded() -> None:
        for batch in loader:
            mix(batch.to(bench.device, non_blocking=pinned), labels)

    seconds = race({"ours": lambda: [ours() for _ in range(_BATCHES)], "loader": loaded})
    ratios = [theirs / own for own, theirs in zip(seconds["ours"], seconds["loader"], strict=True)]
    bench.add("vsm workers", f"torchvision v2 in {workers} workers", ratios, size=side, batch=paper.BATCH)


class _Images(Dataset[Tensor]):
    """``count`` images, changed by ``chain``, of some ``pixels`` over and over."""

    def __init__(self, pixels: Tensor, chain: Callable[[Tensor], Tensor], count: int) -> None:
        self._pixels, self._chain, self._count = pixels, chain, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> Tensor:
        return self._chain(self._pixels[place % len(self._pixels)])


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Give torch one thread, and afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _made(side: int, device: torch.device) -> tuple[ViewBatches, Tensor, Tensor]:
    subset = paper.images(paper.BATCH, side)
    pixels = torch.from_numpy(subset.pixels(range(len(subset)))).to(device)
    return paper.data(subset, device), pixels, torch.from_numpy(subset.labels).to(device)


def _ours(data: ViewBatches, pixels: Tensor) -> Callable[[], Tensor]:
    order, numbers = data.in_order(0)[0], iter(range(10**9))
    ordered = pixels[torch.from_numpy(order)]
    return lambda: data.view(next(numbers)).render(ordered, order).images


def _kornia(data: ViewBatches, pixels: Tensor) -> Callable[[], Tensor]:
    chain = kornia_chain(data.settings, data.subset.side)
    return lambda: chain(pixels / 255)
