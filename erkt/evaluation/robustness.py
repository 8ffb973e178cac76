"""How much accuracy student, teachers and ensemble keep when images are corrupted."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from erkt.data.images import Subset
from erkt.ensemble.mixing import Space, combine
from erkt.evaluation.corruptions import Condition, conditions
from erkt.evaluation.metrics import agreement
from erkt.networks.inference import image_batches, outputs
from erkt.networks.models import Classifier, put_on


def measure(
    networks: Mapping[str, Classifier],
    *,
    weights: Mapping[str, float],
    space: Space,
    images: Subset,
    seed: int,
    batch_size: int,
    device: torch.device,
    on_condition: Callable[[int, int], None] = lambda done, total: None,
) -> list[dict[str, Any]]:
    """Return one row a condition: ``kind``, ``strength``, ``unit``, and OA in percent of each network.

    The first row is of the images as they are, ``kind: none``. ``networks`` hold the student, called so, and
    the ensemble's members, which ``weights`` name; the ensemble gets a column of its own. ``batch_size``
    changes results by rounding only.
    """
    for network in networks.values():
        put_on(network, device).eval()

    def together(batch: Tensor) -> Tensor:
        return torch.stack([network(batch) for network in networks.values()])

    plan = [Condition("none", 0.0, "", lambda batch: batch), *conditions(images.side, seed)]
    rows = []
    for number, condition in enumerate(plan):
        batches = image_batches(images, batch_size, device, condition.apply)
        logits = np.concatenate(list(outputs(together, batches)), axis=1)
        scores = dict(zip(networks, logits, strict=True))
        scores["ensemble"] = combine({name: scores[name] for name in weights}, weights, space)
        oa = {name: agreement(own.argmax(axis=1), images.labels) for name, own in scores.items()}
        rows.append({"kind": condition.kind, "strength": condition.strength, "unit": condition.unit, **oa})
        on_condition(number + 1, len(plan))
    return rows
