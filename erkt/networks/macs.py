"""What a network costs: multiply-accumulates of one forward pass, counted on shapes alone.

The paper's "FLOPs (G)" (Table 8) are these: EfficientNet-B0 has 0.39 G at 224 px, and twice as many
operations.
"""

from functools import cache

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from erkt.errors import ErktError


@cache
def count(arch: str, classes: int, side: int) -> tuple[int, int]:
    """Return multiply-accumulates for one image of ``side`` pixels, and the number of parameters.

    ``arch`` is timm's name, with or without a tag. Convolutions and matrix products are counted, as usual;
    normalisation, activations and pooling are not. Raises ErktError if timm has no such architecture.
    """
    try:
        with torch.device("meta"):
            network = timm.create_model(arch.partition(".")[0], pretrained=False, num_classes=classes).eval()
            image = torch.empty(1, 3, side, side)
    except RuntimeError as error:
        raise ErktError(f"{arch}: {(str(error).splitlines() or ['no such network'])[0]}") from None
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(image)
    return counter.get_total_flops() // 2, sum(parameter.numel() for parameter in network.parameters())
