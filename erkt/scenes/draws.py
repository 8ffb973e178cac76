"""Single random decisions, taken from a stream as plain Python numbers."""

from collections.abc import Sequence
from typing import TypeVar

from erkt.seeds import Stream

T = TypeVar("T")


def number(rng: Stream, low: float, high: float) -> float:
    """Return one double, uniform on [low, high)."""
    return float(rng.uniform(low, high, 1)[0])


def count(rng: Stream, low: int, high: int) -> int:
    """Return one integer, uniform on low..high, both included."""
    return low + int(rng.integers(high - low + 1, 1)[0])


def chance(rng: Stream, probability: float) -> bool:
    """Return True with the given probability."""
    return float(rng.doubles(1)[0]) < probability


def pick(rng: Stream, options: Sequence[T]) -> T:
    """Return one of ``options``, each as likely as its share of the sequence."""
    return options[int(rng.integers(len(options), 1)[0])]
