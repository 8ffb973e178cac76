"""Scenes: a small data set of aerial pictures, drawn by this package and the same for a seed everywhere.

Fourteen classes of the kind that AID and NWPU-RESISC45 have. Two troubles of such data are built in:
classes that share features (a park has the water of a pond, a harbour that of a river; the same houses
stand in dense and in sparse residential areas) and strong variation within a class (season, soil, scale,
orientation, light, haze, and several layouts a class).
"""

import math

import numpy as np
from numpy.typing import NDArray

from erkt.errors import ErktError
from erkt.scenes.atmosphere import develop, draw_light
from erkt.scenes.canvas import Canvas
from erkt.scenes.catalogue import CATALOGUE
from erkt.scenes.draws import number
from erkt.scenes.palette import draw_palette
from erkt.scenes.site import Site
from erkt.seeds import stream

CLASSES: tuple[str, ...] = tuple(sorted(CATALOGUE))
SMALLEST_SIDE = 16


def render(scene: str, seed: int, index: int, side: int) -> NDArray[np.uint8]:
    """Return one aerial picture, (side, side, 3) RGB in 0..255.

    The same arguments give the same picture; another ``side`` gives the same scene at another resolution.

    Args:
        scene: One of ``CLASSES``.
        seed: Seed of the data set.
        index: Number of the picture within its class.
        side: Pixels a side, at least 16.

    Raises:
        ErktError: If the class is unknown or the side too small.
    """
    if scene not in CATALOGUE:
        raise ErktError(f"scenes have no class {scene!r}: use one of {', '.join(CLASSES)}")
    if side < SMALLEST_SIDE:
        raise ErktError(f"scenes are drawn at {SMALLEST_SIDE} pixels a side or more, not at {side}")
    rng = stream(seed, "scenes", scene, index)
    layout, low, high = CATALOGUE[scene]
    canvas = Canvas(side, number(rng, low, high), number(rng, 0.0, 2 * math.pi), draw_light(rng))
    layout(Site(canvas, draw_palette(rng), rng))
    return develop(canvas, rng, stream(seed, "scenes", scene, index, "sensor"))
