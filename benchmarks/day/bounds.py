"""How far two results of the same computation are apart, as numbers that a bound can be set to."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Check:
    """``found`` must be at most ``bound``; ``what`` says in words what it is, ``note`` what else was seen."""

    name: str
    what: str
    found: float
    bound: float
    note: str = ""

    @property
    def kept(self) -> bool:
        """Whether the bound is kept; a number that is none keeps no bound."""
        return self.found <= self.bound

    def row(self) -> dict[str, object]:
        """Return the check for a file: a number that JSON does not know is a text."""
        found = self.found if math.isfinite(self.found) else str(self.found)
        return {**vars(self), "found": found, "kept": self.kept, "error": None}


def share_beyond(one: Tensor, other: Tensor, difference: float) -> float:
    """Return the share of values that differ by more than ``difference``, in [0, 1]; NaN differs."""
    return 1.0 - float(((_wide(one) - _wide(other)).abs() <= difference).double().mean())


def relative(one: Tensor, other: Tensor) -> float:
    """Return the length of the difference over the length of ``other``, all values as one vector."""
    return float((_wide(one) - _wide(other)).norm() / _wide(other).norm())


def largest(one: Tensor, other: Tensor) -> float:
    """Return the largest difference over the largest value of ``other``."""
    return float((_wide(one) - _wide(other)).abs().max() / _wide(other).abs().max())


def turned(one: Tensor, other: Tensor) -> float:
    """Return 1 minus the cosine between both, each as one vector: 0 for the same direction."""
    return 1.0 - float(torch.nn.functional.cosine_similarity(_wide(one), _wide(other), dim=0))


def _wide(values: Tensor) -> Tensor:
    return values.detach().cpu().double().flatten()
