"""What a network costs: multiply-accumulates of one forward pass, counted on shapes alone.

The paper's "FLOPs (G)" (Table 8) are these: EfficientNet-B0 has 0.39 G at 224 px, and twice as many
operations.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from erkt.errors import ErktError


def count_in(network: Mapping[str, Any], classes: int, side: int) -> tuple[int, int]:
    """Return what ``count`` does for a block ``network`` of params: with its options and at its own side."""
    options = tuple(sorted(network["options"].items()))
    return count(network["arch"], classes, network["side"] or side, options)


@cache
def count(arch: str, classes: int, side: int, options: tuple[tuple[str, Any], ...] = ()) -> tuple[int, int]:
    """Return multiply-accumulates for one image of ``side`` pixels, and the number of parameters.

    ``arch`` is timm's name, with or without a tag, and ``options`` are those of ``timm.create_model``.
    Convolutions and matrix products are counted, as usual; normalisation, activations and pooling are not.
    Raises ErktError if timm has no such architecture, or it does not take such images.
    """
    try:
        with torch.device("meta"):
            name = arch.partition(".")[0]
            network = timm.create_model(name, pretrained=False, num_classes=classes, **dict(options)).eval()
            image = torch.empty(1, 3, side, side)
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            network(image)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ErktError(f"{arch}: {(str(error).splitlines() or ['no such network'])[0]}") from None
    return counter.get_total_flops() // 2, sum(parameter.numel() for parameter in network.parameters())
