"""What every layout function receives: the canvas, the colours and the stream of one scene."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from erkt.scenes.canvas import Canvas
from erkt.scenes.palette import Palette
from erkt.scenes.texture import Field, cloud
from erkt.seeds import Stream, stream


@dataclass(frozen=True)
class Site:
    """One scene under construction."""

    canvas: Canvas
    palette: Palette
    rng: Stream

    def noise(self, metres: float, octaves: int = 3) -> Field:
        """Return noise over the canvas whose coarsest features are about ``metres`` wide, in [-1, 1]."""
        return cloud(self.rng, self.canvas.size, self.canvas.extent / metres, octaves)

    @cached_property
    def grain(self) -> Field:
        """Noise of about two thousandths of the extent to a fiftieth of it, shared by all fine textures."""
        return cloud(self.rng, self.canvas.size, 50, 3, 1.0)

    def fork(self) -> "Site":
        """Return this site with a stream of its own, so that what it draws moves nothing drawn later."""
        return replace(self, rng=stream(int(self.rng.integers(2**53, 1)[0]), "fork"))

    def choose(self, family: NDArray[np.float64], number: int, spread: float = 0.08) -> NDArray[np.float64]:
        """Return ``number`` colours (number, 3) of a family (N, 3), each with its own brightness."""
        chosen = family[self.rng.integers(len(family), number)]
        return np.asarray(chosen * self.rng.uniform(1 - spread, 1 + spread, number, 1))
