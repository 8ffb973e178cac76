"""The student's step as params choose it, against the other precisions, memory formats and modes."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import nn

from benchmarks import paper
from benchmarks.session import Bench, Race

_FORMATS = {"channels_last": torch.channels_last, "NCHW": torch.contiguous_format}


def test_default(bench: Bench, race: Race) -> None:
    """Params choose fp32, channels_last and eager."""
    if bench.quick:
        pytest.skip("the short version compiles nothing")
    side, steps = 128, {}
    for precision, layout, mode in itertools.product(("fp32", "bf16"), _FORMATS, ("eager", "compiled")):
        steps[f"{precision} {layout} {mode}"] = _step(
            side, bench.device, precision, _FORMATS[layout], mode == "compiled"
        )
    seconds = race(steps)
    ours = seconds.pop("fp32 channels_last eager")
    for name, others in seconds.items():
        ratios = [other / own for own, other in zip(ours, others, strict=True)]
        bench.add("default", name, ratios, size=side, batch=paper.BATCH, dtype=name.split()[0])


def _step(
    side: int, device: torch.device, precision: str, layout: torch.memory_format, compiled: bool
) -> Callable[[], None]:
    network = paper.network(paper.STUDENT, side, device).train()
    network.to(memory_format=layout)
    model: nn.Module = torch.compile(network) if compiled else network
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-4, weight_decay=1e-6, fused=True)
    data = paper.data(paper.images(paper.BATCH, side), device)
    batch = data.batch(data.view(0), data.in_order(0)[0])
    images = batch.images.contiguous(memory_format=layout)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = model(images)
        loss = nn.functional.cross_entropy(logits.float(), batch.label_a)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step
