"""What a block of cached logits says of itself, and the probe that ties it to its pixels.

The idea of keying stored teacher outputs by the augmentation's seed is TinyViT's (K. Wu et al., ECCV 2022);
the manifest adds what makes a mismatch impossible to miss.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from erkt.data.images import Part
from erkt.files.digests import Sha256
from erkt.params.recipe import Precision
from erkt.params.schema import as_dict
from erkt.views.batches import ViewBatches

PROBE_PAIRS = 4
PROBE_CELLS = 4


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a block's logits follow from; two blocks with equal origins hold the same numbers.

    ``teacher`` is the sha256 of the weights file, ``images`` and ``train`` those of the array and of the
    training list, ``settings`` the views' as plain values, ``finish`` what their last ones have (None: the
    same), ``classes`` the order of the columns, ``precision`` that of the teacher's products.
    """

    teacher: Sha256
    images: Sha256
    train: Sha256
    seed: int
    settings: dict[str, Any]
    finish: dict[str, Any] | None
    classes: list[str]
    precision: Precision

    @classmethod
    def of(cls, teacher: Sha256, train: Part, data: ViewBatches, precision: Precision) -> "Origin":
        """Return the origin of a teacher's logits on the views ``data`` of the training part ``train``."""
        return cls(
            teacher=teacher,
            images=train.array_sha256,
            train=train.list_sha256,
            seed=data.seed,
            settings=as_dict(data.settings),
            finish=as_dict(data.finish) if data.finish and data.finish.share else None,
            classes=list(train.classes),
            precision=precision,
        )

    def differences(self, other: "Origin") -> list[str]:
        """Return the names of the facts in which ``other`` differs."""
        return [name for name in self.__dataclass_fields__ if getattr(self, name) != getattr(other, name)]


def probe(data: ViewBatches, number: int) -> dict[str, Any]:
    """Return a fingerprint of view ``number``: sha256 and cell means of a few pairs' pixels."""
    view = data.view(number)
    firsts = np.flatnonzero(np.arange(len(view.partners)) <= view.partners)
    spread = np.linspace(0, len(firsts) - 1, min(PROBE_PAIRS, len(firsts))).astype(np.int64)
    positions = np.union1d(firsts[spread], view.partners[firsts[spread]])
    images: Tensor = data.batch(view, positions).images.cpu().contiguous()
    cells = F.adaptive_avg_pool2d(images, PROBE_CELLS).flatten().tolist()
    return {
        "view": number,
        "sha256": hashlib.sha256(images.numpy().tobytes()).hexdigest(),
        "cells": [round(value, 6) for value in cells],
    }


def probe_tolerance(side: int) -> float:
    """Return the largest difference of a cell's mean, in [0, 1], that another device's rounding may cause.

    A nearest-neighbour tie that falls the other way moves a pixel by up to 1; four of them in one cell pass,
    and never more than 0.02, far below what other draws or images make.
    """
    return min(0.02, 4 * (PROBE_CELLS / side) ** 2)


def probe_difference(stored: dict[str, Any], replayed: dict[str, Any]) -> float:
    """Return 0 if the pixels are equal bit for bit, else the largest difference of a cell mean."""
    if stored["sha256"] == replayed["sha256"]:
        return 0.0
    if len(stored["cells"]) != len(replayed["cells"]):
        return 1.0
    difference = torch.tensor(stored["cells"]) - torch.tensor(replayed["cells"])
    return max(float(difference.abs().max()), 1e-9)
