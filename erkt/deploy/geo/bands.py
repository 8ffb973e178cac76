"""Which bands of a raster are red, green and blue, and which of their values are black and white."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erkt.data.rasters import scaled
from erkt.errors import ErktError

BANDS = "--bands 4,3,2 for red, green and blue, or --bands 1 for grey"
STRETCH = "--stretch LOW,HIGH for the values of black and white, or --stretch percent:2,98"

_PERCENT = "percent:"


@dataclass(frozen=True)
class Percentiles:
    """Black and white are these percentiles of each band."""

    low: float
    high: float


@dataclass(frozen=True)
class Limits:
    """``low`` becomes 0, ``high`` 255, one of each for every band; values outside are clipped."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __call__(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return uint8 of values (bands, H, W), rounded to nearest; what is no finite number becomes 0."""
        low, high = (np.array(ends, np.float64)[:, None, None] for ends in (self.low, self.high))
        return scaled(values, low, high)


def bands_of(text: str) -> tuple[int, ...]:
    """Return the one or three bands, counted from 1, that ``--bands`` names; ErktError for anything else."""
    try:
        bands = tuple(int(number) for number in text.split(","))
    except ValueError:
        bands = ()
    if len(bands) not in (1, 3) or min(bands) < 1:
        raise ErktError(f"--bands {text}: expected {BANDS}")
    return bands


def stretch_of(text: str) -> Percentiles | tuple[float, float]:
    """Return the percentiles or the two values that ``--stretch`` names; ErktError for anything else."""
    try:
        low, high = (float(number) for number in text.removeprefix(_PERCENT).split(","))
    except ValueError:
        low, high = 0.0, 0.0
    inside = np.isfinite([low, high]).all() and (not text.startswith(_PERCENT) or (low >= 0 and high <= 100))
    if not (low < high and inside):
        raise ErktError(f"--stretch {text}: expected {STRETCH}")
    return Percentiles(low, high) if text.startswith(_PERCENT) else (low, high)


def check(
    count: int, types: Sequence[str], alpha: int | None, bands: tuple[int, ...] | None, stretched: bool
) -> tuple[int, ...]:
    """Return the bands to read, of a raster of ``count`` bands of ``types``; ``alpha`` is the opacity's.

    Without ``bands``, three bands beside the opacity are red, green and blue. Without a stretch, uint8 is
    taken as it is. Raises ErktError, naming the options, for what is left to choose.
    """
    colours = [number for number in range(1, count + 1) if number != alpha]
    if bands is not None and max(bands) > count:
        raise ErktError(f"--bands {','.join(map(str, bands))}: it has {count}")
    wanted = []
    if bands is None and len(colours) != 3:
        wanted.append(BANDS)
    chosen = bands or tuple(colours)
    kinds = sorted({types[number - 1] for number in chosen})
    if any(kind.startswith("complex") for kind in kinds):
        raise ErktError("complex numbers are no image; write their magnitude first")
    if kinds != ["uint8"] and not stretched:
        wanted.append(STRETCH)
    if wanted:
        raise ErktError(
            f"{count} band{'s' * (count != 1)} of {' and '.join(kinds)}; add {'; and '.join(wanted)}"
        )
    return chosen


def limits(
    sample: NDArray[Any], valid: NDArray[np.bool_], bands: Sequence[int], percent: Percentiles
) -> Limits:
    """Return the percentiles of each band of ``sample`` (bands, H, W) where ``valid`` (H, W).

    Raises ErktError for a band that has no two values between them.
    """
    ends = []
    for number, values in zip(bands, sample, strict=True):
        known = values[valid & np.isfinite(values)]
        low, high = np.percentile(known, [percent.low, percent.high]) if known.size else (0.0, 0.0)
        if not low < high:
            raise ErktError(
                f"band {number} has no contrast between these percentiles; use --stretch LOW,HIGH"
            )
        ends.append((float(low), float(high)))
    return Limits(tuple(low for low, _ in ends), tuple(high for _, high in ends))
