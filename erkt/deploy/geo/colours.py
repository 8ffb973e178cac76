"""A colour for each class, apart from the others and from what marks no data."""

import itertools

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

NO_DATA: Colour = (225, 225, 225)

_STEPS = range(15, 256, 20)


def colours(count: int) -> list[Colour]:
    """Return ``count`` colours, the same for a count's first classes whatever the count.

    Each is the one of a grid that is farthest from those before it (Gonzalez, Theor. Comput. Sci. 38, 1985),
    in Oklab (Ottosson, "A perceptual color space for image processing", 2020), beginning with a blue; shades
    near black, white and grey are left out.
    """
    grid = np.array(list(itertools.product(_STEPS, repeat=3)))
    places = _oklab(grid)
    strong = np.hypot(places[:, 1], places[:, 2])
    usable = (places[:, 0] > 0.42) & (places[:, 0] < 0.9) & (strong > 0.06) & (strong < 0.2)
    grid, places = grid[usable], places[usable]
    nearest = np.linalg.norm(places - _oklab(np.array([NO_DATA])), axis=1)
    chosen = int(np.linalg.norm(places - _oklab(np.array([[55, 115, 195]])), axis=1).argmin())
    found: list[Colour] = []
    for _ in range(count):
        red, green, blue = (int(value) for value in grid[chosen])
        found.append((red, green, blue))
        nearest = np.minimum(nearest, np.linalg.norm(places - places[chosen], axis=1))
        chosen = int(nearest.argmax())
    return found


def _oklab(colour: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return lightness, a and b (N, 3) of sRGB colours (N, 3) in 0..255."""
    share = colour / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    return np.asarray(
        np.cbrt(cones)
        @ np.array(
            [
                [0.2104542553, 1.9779984951, 0.0259040371],
                [0.7936177850, -2.4285922050, 0.7827717662],
                [-0.0040720468, 0.4505937099, -0.8086757660],
            ]
        )
    )
