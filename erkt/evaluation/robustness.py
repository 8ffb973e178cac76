"""How much accuracy student, teachers and ensemble keep when images are corrupted."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from erkt.data.images import Subset
from erkt.data.pixels import to_unit
from erkt.ensemble.mixing import Space, combine
from erkt.errors import ErktError
from erkt.evaluation.corruptions import Condition, conditions
from erkt.networks.logits import Floats
from erkt.networks.models import Classifier


@torch.inference_mode()
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

    The first row is of the images as they are, ``kind: none``. ``networks`` hold the student, called so, and the
    ensemble's members, which ``weights`` name; the ensemble gets a column of its own. ``batch_size`` changes
    results by rounding only.
    """
    plan = [Condition("none", 0.0, "", lambda batch: batch), *conditions(images.side, seed)]
    for network in networks.values():
        network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]  # torch's stub
    rows = []
    for number, condition in enumerate(plan):
        scores = _scores(networks, images, condition, batch_size, device)
        scores["ensemble"] = combine({name: scores[name] for name in weights}, weights, space)
        oa = {
            name: 100 * float(np.mean(logits.argmax(axis=1) == images.labels))
            for name, logits in scores.items()
        }
        rows.append({"kind": condition.kind, "strength": condition.strength, "unit": condition.unit, **oa})
        on_condition(number + 1, len(plan))
    return rows


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of ``measure`` from the CSV at ``path``; ErktError if it is missing or holds something else."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                {name: text if name in ("kind", "unit") else float(text) for name, text in row.items()}
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, TypeError) as error:
        raise ErktError(f"{path}: not readable as accuracies ({error}); run dvc repro") from None


def means(rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Return one row a network: OA as they are (``clean``), the mean over each kind, and the mean of these."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows if row["kind"] != "none"))
    found = []
    for name in names:
        by_kind = {kind: float(np.mean([row[name] for row in rows if row["kind"] == kind])) for kind in kinds}
        mean = float(np.mean(list(by_kind.values())))
        found.append({"network": name, "clean": rows[0][name], "oa": mean, **by_kind})
    return found


def _scores(
    networks: Mapping[str, Classifier],
    images: Subset,
    condition: Condition,
    batch_size: int,
    device: torch.device,
) -> dict[str, Floats]:
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in networks}
    for start in range(0, len(images), batch_size):
        pixels = images.pixels(range(start, min(start + batch_size, len(images))))
        batch = to_unit(condition.apply(torch.from_numpy(pixels).to(device)))
        batch = batch.contiguous(memory_format=torch.channels_last)
        for name, network in networks.items():
            parts[name].append(network(batch).float().cpu().numpy())
    return {name: np.concatenate(logits) for name, logits in parts.items()}
