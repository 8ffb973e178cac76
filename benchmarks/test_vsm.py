"""A batch of views against torchvision, image by image, and against kornia, batched."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from benchmarks import paper
from benchmarks.conftest import Bench, Race
from benchmarks.others import kornia_chain, torchvision_chain


@pytest.mark.parametrize("side", [64, 128, 256])
def test_vsm(side: int, bench: Bench, race: Race) -> None:
    """Table 1 with fresh draws, from uint8 images to a batch in [0, 1]."""
    subset = paper.images(paper.BATCH, side)
    pixels = torch.from_numpy(subset.pixels(range(len(subset)))).to(bench.device)
    data = paper.data(subset, bench.device)
    order = data.in_order(0)[0]
    numbers = iter(range(10**9))

    def ours() -> Tensor:
        return data.view(next(numbers)).render(pixels[torch.from_numpy(order)], order).images

    one_by_one, mix = torchvision_chain(data.settings, side), v2.CutMix(num_classes=len(paper.CLASSES))
    labels = torch.from_numpy(subset.labels).to(bench.device)

    def torchvision() -> Tensor:
        images: Tensor = mix(torch.stack([one_by_one(image) for image in pixels]), labels)[0]
        return images

    chain = kornia_chain(data.settings, side)

    def kornia() -> Tensor:
        images: Tensor = chain(pixels / 255)
        return images

    for made in (ours(), torchvision(), kornia()):
        assert made.shape == pixels.shape
        assert made.dtype == torch.float32
    calls: dict[str, Callable[[], object]] = {"ours": ours, "torchvision": torchvision, "kornia": kornia}
    seconds = race(calls, times=1 if side > 128 else 4)
    for name, against in (("torchvision", "torchvision v2 image by image"), ("kornia", "kornia, batched")):
        ratios = [theirs / own for own, theirs in zip(seconds["ours"], seconds[name], strict=True)]
        row = "vsm" if name == "torchvision" else f"vsm {name}"
        bench.add(row, against, ratios, size=side, batch=paper.BATCH)
