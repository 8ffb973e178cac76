"""The colours of one scene: climate and season, water, sand, paving, roofs, crops.

Every class draws from the same distributions, so that colour alone says little about the class.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erkt.scenes.draws import count, number, pick
from erkt.seeds import Stream

Colour = NDArray[np.float64]

# grass, two tones of foliage, bare soil
CLIMATES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "lush": ((96, 126, 64), (42, 70, 38), (70, 100, 50), (124, 100, 72)),
    "temperate": ((116, 132, 80), (52, 76, 46), (84, 106, 60), (134, 112, 86)),
    "autumn": ((130, 128, 80), (96, 70, 40), (146, 112, 52), (118, 94, 70)),
    "dry": ((164, 152, 102), (72, 84, 52), (104, 110, 68), (174, 146, 108)),
    "arid": ((192, 168, 128), (80, 86, 56), (114, 112, 76), (200, 168, 130)),
    "bare": ((140, 134, 106), (82, 74, 60), (110, 98, 80), (128, 112, 94)),
}
WATERS = (
    (48, 82, 112),
    (62, 98, 92),
    (64, 122, 130),
    (132, 122, 98),
    (36, 50, 60),
    (70, 86, 66),
    (74, 104, 122),
)
SANDS = ((228, 220, 202), (214, 194, 152), (178, 168, 154), (116, 108, 102), (198, 164, 130), (204, 190, 166))
ROOFS = (
    (160, 94, 74), (138, 86, 70), (120, 90, 74), (112, 114, 120), (92, 94, 100), (202, 198, 190),
    (102, 124, 152), (104, 126, 112), (76, 72, 72), (190, 168, 138), (226, 224, 218), (154, 146, 136),
)  # fmt: skip
CROPS = (
    (98, 128, 62), (70, 104, 56), (128, 146, 76), (190, 168, 108), (204, 190, 140), (150, 118, 84),
    (116, 92, 70), (166, 150, 92), (84, 96, 60), (140, 134, 92), (176, 142, 108), (186, 178, 88),
)  # fmt: skip
CARS = (
    (232, 232, 230), (226, 226, 226), (190, 192, 194), (160, 162, 166), (52, 54, 58), (40, 42, 48),
    (94, 96, 102),
    (150, 44, 40), (50, 72, 118), (180, 168, 142), (70, 90, 76),
)  # fmt: skip


@dataclass(frozen=True)
class Palette:
    """RGB colours in 0..255; single ones of shape (3,), families of shape (N, 3)."""

    grass: Colour
    foliage: Colour
    soil: Colour
    water: Colour
    sand: Colour
    asphalt: Colour
    concrete: Colour
    marking: Colour
    roofs: Colour
    crops: Colour


def _family(rng: Stream, colours: tuple[tuple[int, int, int], ...], size: int, spread: float) -> Colour:
    """Return ``size`` of the colours, each with its own brightness and a slight tint."""
    chosen = np.array(colours, dtype=np.float64)[rng.permutation(len(colours))[:size]]
    return chosen * rng.uniform(1 - spread, 1 + spread, size, 1) * rng.uniform(0.95, 1.05, size, 3)


def draw_palette(rng: Stream) -> Palette:
    """Return the colours of one scene."""
    first, second = (np.array(CLIMATES[pick(rng, tuple(CLIMATES))], dtype=np.float64) for _ in range(2))
    share = number(rng, 0.0, 0.5)
    tints = rng.uniform(0.9, 1.14, 4, 1) * rng.uniform(0.96, 1.04, 4, 3)
    grass, dark, light, soil = (first * (1 - share) + second * share) * tints
    # Of two waters the one less like the grass: a pond or a river must be visible.
    waters = _family(rng, WATERS, 2, 0.2)
    water = waters[int(np.argmax(np.abs(waters - grass).sum(axis=1)))]
    grey = number(rng, 62, 150)
    warm = np.array([1.0, 0.985, 0.96]) ** number(rng, -0.3, 2.0)
    return Palette(
        grass=grass,
        foliage=np.stack([dark, light]),
        soil=soil,
        water=water,
        sand=_family(rng, SANDS, 1, 0.1)[0],
        asphalt=grey * warm,
        concrete=number(rng, 150, 212) * warm,
        marking=np.array([232.0, 230.0, 222.0]),
        roofs=_family(rng, ROOFS, count(rng, 2, 5), 0.12),
        crops=_family(rng, CROPS, count(rng, 3, 7), 0.12),
    )
