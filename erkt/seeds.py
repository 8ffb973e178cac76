"""Streams of random numbers that are the same on every machine and in every library version.

Every random decision of the pipeline comes from a stream named by what it is for, for example
``stream(seed, "rotation", view)``. Streams with different names are independent, so leaving one decision
out changes no other. Built on numpy's ``SeedSequence`` and the raw output of ``Philox`` (J. Salmon et
al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), both frozen by numpy's compatibility
policy (NEP 19); the distribution methods of ``numpy.random.Generator`` are not, so they are not used.
"""

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

Name = int | str


def _word(name: Name) -> int:
    """Return a 64-bit number for a name; integers and strings never collide by construction."""
    kind = "i" if isinstance(name, int) else "s"
    return int.from_bytes(hashlib.sha256(f"{kind}:{name}".encode()).digest()[:8], "little")


def _sequence(seed: int, names: tuple[Name, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence([_word(seed), *map(_word, names)])


def derive(seed: int, *names: Name) -> int:
    """Return the 63-bit seed that belongs to ``names`` under ``seed``, in [0, 2**63)."""
    return int(_sequence(seed, names).generate_state(1, np.uint64)[0] >> np.uint64(1))


class Stream:
    """A counter-based stream of doubles in [0, 1), with the few transforms the project needs."""

    def __init__(self, sequence: np.random.SeedSequence) -> None:
        self._bits = np.random.Philox(sequence)

    def doubles(self, *shape: int) -> NDArray[np.float64]:
        """Return float64 of ``shape``, uniform on [0, 1) with 53 random bits each."""
        raw = np.asarray(self._bits.random_raw(math.prod(shape)), dtype=np.uint64)
        return ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)

    def uniform(self, low: float, high: float, *shape: int) -> NDArray[np.float64]:
        """Return float64 of ``shape``, uniform on [low, high)."""
        return low + (high - low) * self.doubles(*shape)

    def integers(self, high: int, *shape: int) -> NDArray[np.int64]:
        """Return int64 of ``shape``, uniform on [0, high)."""
        return np.floor(self.doubles(*shape) * high).astype(np.int64)

    def permutation(self, count: int) -> NDArray[np.int64]:
        """Return a permutation of ``range(count)``, int64 of shape (count,)."""
        return np.argsort(self.doubles(count), kind="stable")


def stream(seed: int, *names: Name) -> Stream:
    """Return the stream that belongs to ``names`` under ``seed``."""
    return Stream(_sequence(seed, names))
