"""What networks cost to use: parameters, multiply-accumulates, and time, on the same images and in turns."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn

from erkt.evaluation.timing import in_turns
from erkt.networks import macs
from erkt.networks.models import put_on

CLASSES = 1000
"""The classes of all networks, as the paper's Tables 2 and 8 count them."""

COUNTED_SIDE = 224
"""The side in pixels at which multiply-accumulates are counted there."""


def measure(
    archs: Mapping[str, Sequence[str]], side: int, batch: int, rounds: int, device: torch.device
) -> list[dict[str, Any]]:
    """Return one row a name of ``archs``: what its networks cost that run one after the other on each image.

    ``archs`` are timm's names, by the name of a row, of which ``student`` is one. Weights are random, mode
    and precision eager and float32. ``parameters`` and ``macs`` are sums; ``milliseconds`` an image is the
    median over ``rounds``, beside ``fastest`` and ``slowest``; ``ratio`` is the median over rounds of the
    time against the student's in the same round.
    """
    # First, since it refuses an architecture that timm does not know.
    counts = {name: [macs.count(arch, CLASSES, COUNTED_SIDE) for arch in own] for name, own in archs.items()}
    images = torch.rand((batch, 3, side, side), generator=torch.Generator().manual_seed(0)).to(device)
    images = images.contiguous(memory_format=torch.channels_last)
    networks: dict[str, nn.Module] = {
        arch: put_on(timm.create_model(arch, num_classes=CLASSES).eval(), device)
        for arch in sorted({arch for own in archs.values() for arch in own})
    }
    seconds = in_turns(
        {name: _forward([networks[arch] for arch in own], images) for name, own in archs.items()}, rounds
    )
    rows = []
    for name, own in archs.items():
        each = [1000 * one / batch for one in seconds[name]]
        ratios = [one / student for one, student in zip(seconds[name], seconds["student"], strict=True)]
        rows.append(
            {
                "network": name,
                "architectures": " ".join(own),
                "parameters": sum(parameters for _, parameters in counts[name]),
                "macs": sum(cost for cost, _ in counts[name]),
                "side": side,
                "batch": batch,
                "milliseconds": statistics.median(each),
                "fastest": min(each),
                "slowest": max(each),
                "ratio": statistics.median(ratios),
                "device": torch.cuda.get_device_name() if device.type == "cuda" else "the CPU",
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
            }
        )
    return rows


def _forward(networks: Sequence[nn.Module], images: Tensor) -> Callable[[], None]:
    @torch.inference_mode()
    def forward() -> None:
        for network in networks:
            network(images)
        if images.is_cuda:
            torch.cuda.synchronize()

    return forward
