"""How much accuracy student, teachers and ensemble keep when images are corrupted."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from erkt.data.images import Subset
from erkt.ensemble.mixing import Space, combine
from erkt.errors import ErktError
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


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of ``measure`` in the CSV at ``path``; ErktError if it is missing or something else."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                {name: text if name in ("kind", "unit") else float(text) for name, text in row.items()}
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, TypeError) as error:
        raise ErktError(f"{path}: not readable as accuracies ({error}); run dvc repro") from None


def means(rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Return one row a network: OA on ``clean`` images, the mean over each kind, and the mean of these."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows if row["kind"] != "none"))
    found = []
    for name in names:
        by_kind = {kind: float(np.mean([row[name] for row in rows if row["kind"] == kind])) for kind in kinds}
        mean = float(np.mean(list(by_kind.values())))
        found.append({"network": name, "clean": rows[0][name], "oa": mean, **by_kind})
    return found


def need_corners(rows: list[dict[str, Any]], names: list[str], points: float = 2.0) -> dict[str, float]:
    """Return by how many points OA on turned images is above that on whole ones, where by ``points`` or more.

    ``rows`` are those of ``measure``. Turned images have black corners, but for multiples of 90 degrees. A
    network that only ever saw those may take whole images for something else.
    """
    turned = [row for row in rows if row["kind"] == "rotation" and row["strength"] % 90]
    gains = {name: float(np.mean([row[name] for row in turned])) - rows[0][name] for name in names}
    return {name: gain for name, gain in gains.items() if gain >= points}
