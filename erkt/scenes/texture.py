"""Noise fields and stripes: the small-scale look of grass, crops, water and soil.

Value noise in octaves after K. Perlin, "An image synthesizer", SIGGRAPH 1985: every octave is a lattice of
uniform numbers, and the sum so far is up-sampled before the next, finer lattice is added. The lattices do
not depend on the picture's side, so a scene looks the same at any resolution. Arrays only pass through
additions, products and interpolation, never through transcendental functions, whose last bit may differ
between processors.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from erkt.seeds import Stream

Field = NDArray[np.float32]

FINEST = 200  # cells a side of the finest lattice


def enlarge(field: Field, size: int) -> Field:
    """Return ``field`` (n, n) interpolated bicubically to (size, size)."""
    resized = Image.fromarray(field).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.float32)


def cloud(rng: Stream, size: int, cells: float, octaves: int = 3, gain: float = 0.55) -> Field:
    """Return smooth noise of shape (size, size), centred on 0, nearly all of it in [-1, 1].

    Args:
        rng: Source of the lattices.
        size: Pixels a side.
        cells: Lattice cells a side of the coarsest octave.
        octaves: Number of lattices, each twice as fine as the one before.
        gain: Amplitude of a lattice relative to the one before.
    """
    lattice = min(max(round(cells), 2), FINEST)
    field = rng.uniform(-1.0, 1.0, lattice, lattice).astype(np.float32)
    amplitude, energy = 1.0, 1.0
    for _ in range(octaves - 1):
        if lattice * 2 > FINEST:
            break
        lattice, amplitude = lattice * 2, amplitude * gain
        detail = rng.uniform(-amplitude, amplitude, lattice, lattice).astype(np.float32)
        field = enlarge(field, lattice) + detail
        energy += amplitude**2
    return enlarge(field, size) * np.float32(1.25 / energy**0.5)


def stripes(coordinate: Field, period: float | Field) -> Field:
    """Return a triangle wave of ``coordinate`` with the given period, in [-1, 1]."""
    phase = coordinate / period
    phase = phase - np.floor(phase)
    wave: Field = (4.0 * np.abs(phase - 0.5) - 1.0).astype(np.float32)
    return wave


def ramp(field: Field, low: float, high: float) -> Field:
    """Return 0 below ``low``, 1 above ``high`` and a straight line in between."""
    share: Field = np.clip((field - np.float32(low)) * np.float32(1.0 / (high - low)), 0.0, 1.0)
    return share


def along(table: NDArray[np.float64], coordinate: Field, low: float, high: float) -> Field:
    """Return ``table``, whose entries span [low, high] evenly, read at ``coordinate`` by straight lines."""
    position = (coordinate - np.float32(low)) * np.float32((len(table) - 1) / (high - low))
    position = np.clip(position, 0.0, len(table) - 1.001)
    index = position.astype(np.intp)
    values = table.astype(np.float32)
    read: Field = values[index] + (position - index.astype(np.float32)) * np.diff(values)[index]
    return read
