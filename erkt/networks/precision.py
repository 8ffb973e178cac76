"""In which precision a network's products are computed; its weights stay float32."""

import torch

from erkt.params.recipe import Precision


def running(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the context in which a network on ``device`` runs: bfloat16 under autocast, or float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
