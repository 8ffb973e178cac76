"""Water with depth, ripples, a bank; outlines of ponds, rivers and coasts as distance fields in metres."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from erkt.scenes.draws import chance, number
from erkt.scenes.geometry import Points
from erkt.scenes.site import Site
from erkt.scenes.texture import Field, along, ramp, stripes


def fill_water(site: Site, field: Field, bank: float, shelf: float = 25.0) -> None:
    """Paint water where ``field`` is negative and a bank of bare or reedy ground around it.

    Args:
        site: The scene.
        field: Metres to the shore, negative in the water, (size, size).
        bank: Width of the bank in metres.
        shelf: Metres from the shore at which the water has its deep colour.
    """
    canvas, rng, water = site.canvas, site.rng, site.palette.water
    if bank > 0:
        rim = ramp(-field, -bank, -0.3 * bank) * np.float32(number(rng, 0.35, 0.95))
        reeds = site.palette.soil if chance(rng, 0.6) else site.palette.foliage[1]
        canvas.paint(reeds * number(rng, 0.75, 1.1), 1 + 0.12 * site.grain, rim)
    shallow = water * 0.72 + site.palette.soil * 0.28 + 6
    deep = ramp(-field, 0.0, shelf)[:, :, None]
    tone = (
        shallow.astype(np.float32) * (1 - deep) + (water * number(rng, 0.75, 1.0)).astype(np.float32) * deep
    )
    ripple = 1 + 0.05 * site.noise(canvas.extent / 4, 4) + number(rng, 0.01, 0.045) * site.grain
    canvas.paint(tone, ripple, ramp(-field, -0.35 / canvas.scale, 0.35 / canvas.scale))


def swell(site: Site, field: Field, strength: float) -> None:
    """Lay waves over the water where ``field`` is negative, seen as faint parallel lines."""
    x, y = site.canvas.grid
    angle = number(site.rng, 0.0, np.pi)
    period = max(number(site.rng, 5.0, 11.0), 3.2 * site.canvas.extent / 128)
    phase = (
        x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)) + site.noise(40, 2) * np.float32(period)
    )
    crest = ramp(stripes(phase, period) + 0.6 * site.grain, 0.5, 1.3) * np.float32(strength)
    site.canvas.paint(site.palette.water * 0.4 + 150, None, crest * (field < 0))


def blob(site: Site, centre: tuple[float, float], radius: float, lobes: int, rough: float) -> Field:
    """Return the distance field of an irregular pond made of a few overlapping ellipses."""
    x, y = site.canvas.grid
    field = np.full_like(x, np.inf)
    for lobe in range(lobes):
        away = 0.0 if lobe == 0 else radius * number(site.rng, 0.4, 0.9)
        angle, turn = (number(site.rng, 0.0, 2 * np.pi) for _ in range(2))
        u = x - np.float32(centre[0] + away * np.cos(angle))
        v = y - np.float32(centre[1] + away * np.sin(angle))
        size, aspect = radius * number(site.rng, 0.5, 0.95), number(site.rng, 0.6, 1.6)
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        stretch = np.sqrt(((u * cos + v * sin) / np.float32(aspect)) ** 2 + (v * cos - u * sin) ** 2)
        field = np.minimum(field, stretch - np.float32(size))
    return field + site.noise(radius * 0.9, 3) * np.float32(rough * radius)


def rectangle(site: Site, left: float, bottom: float, right: float, top: float) -> Field:
    """Return the distance field of a rectangle whose sides follow the layout's axes."""
    x, y = site.canvas.grid
    outside_x = np.maximum(np.float32(left) - x, x - np.float32(right))
    outside_y = np.maximum(np.float32(bottom) - y, y - np.float32(top))
    field: Field = np.maximum(outside_x, outside_y)
    return field


class Course(NamedTuple):
    """A line y(x) that crosses the picture: its heights on an even grid of x, and both as points (N, 2)."""

    table: NDArray[np.float64]
    line: Points


def course(site: Site, amplitude: float, wavelength: float, tilt: float = 0.0, shift: float = 0.0) -> Course:
    """Return a meandering line along the layout's first axis.

    Args:
        site: The scene.
        amplitude: Metres to either side.
        wavelength: Metres from bend to bend.
        tilt: Slope of the line's general direction.
        shift: Metres by which the whole line is moved along the second axis.
    """
    x = np.linspace(-site.canvas.reach, site.canvas.reach, 65)
    phase = site.rng.uniform(0, 2 * np.pi, 3)
    bends = (
        np.sin(2 * np.pi * x / wavelength + phase[0])
        + 0.35 * np.sin(4.6 * np.pi * x / wavelength + phase[1])
        + 0.12 * np.sin(9.4 * np.pi * x / wavelength + phase[2])
    )
    table = amplitude * (bends - bends[32]) + tilt * x + shift
    return Course(table, np.stack([x, table], axis=1))


def beside(site: Site, path: Course) -> Field:
    """Return the distance to a course in metres, positive on its left side (larger y)."""
    x, y = site.canvas.grid
    reach = site.canvas.reach
    slope = np.gradient(path.table, 2 * reach / (len(path.table) - 1))
    away = y - along(path.table, x, -reach, reach)
    return away * along(1 / np.sqrt(1 + slope**2), x, -reach, reach)
