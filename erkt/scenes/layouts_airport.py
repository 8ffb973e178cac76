"""Airport."""

import numpy as np
from numpy.typing import NDArray

from erkt.scenes.buildings import flat_roofs, hall
from erkt.scenes.draws import chance, count, number, pick
from erkt.scenes.geometry import Points, boxes
from erkt.scenes.roads import bays, dashes, road
from erkt.scenes.site import Site
from erkt.scenes.surroundings import surround
from erkt.scenes.vehicles import planes


def airport(site: Site) -> None:
    """A runway, taxiways, an apron with parked aeroplanes before a terminal or hangars."""
    canvas, rng = site.canvas, site.rng
    extent, reach = canvas.extent, canvas.reach
    runway = number(rng, -0.45, -0.15) * extent
    front = runway + extent * number(rng, 0.14, 0.28)
    depth = extent * number(rng, 0.2, 0.4)
    left, right = -number(rng, 0.25, 0.8) * extent, number(rng, 0.25, 0.8) * extent
    field = canvas.grid[1] - np.float32(front + depth)
    surround(site, field - 10, True)
    canvas.flatten(field < 4)
    mown = 1 + 0.07 * site.noise(extent / 4, 4) + 0.05 * site.grain
    canvas.paint(site.palette.grass * 1.02, mown, field < 0)
    wide, paved = extent * number(rng, 0.055, 0.09), site.palette.asphalt
    if chance(rng, 0.3):
        lean = number(rng, 0.4, 1.0) * (1 if chance(rng, 0.5) else -1)
        middle = number(rng, -0.3, 0.3) * extent
        ends = np.array(
            [[middle - reach, runway - reach * lean], [middle + 0.3 * reach, runway + 0.3 * reach * lean]]
        )
        _runway(site, ends, wide * 0.9, paved)
    parallel = runway + (front - runway) * 0.6
    for start in rng.uniform(-0.5, 0.5, count(rng, 2, 4)) * extent:
        end = start + number(rng, -0.15, 0.15) * extent
        canvas.band(np.array([[start, runway], [end, front + 3]]), wide * 0.45, paved)
    taxiway = np.array([[-reach * 1.2, parallel], [reach * 1.2, parallel]])
    canvas.band(taxiway, wide * 0.45, paved * 1.05)
    canvas.strokes(taxiway[None], 0.9, (206, 186, 96))
    _runway(site, np.array([[-reach * 1.2, runway], [reach * 1.2, runway]]), wide, paved)
    _apron(site, left, right, front, depth)
    if chance(rng, 0.5):
        _landside(site, left, right, front + depth)
    _stands(site, left, right, front, depth)


def _runway(site: Site, line: Points, wide: float, tone: NDArray[np.float64]) -> None:
    """Draw a runway with edge lines, centre line and, where it ends in view, the threshold's bars."""
    canvas, rng = site.canvas, site.rng
    canvas.band(line, wide, tone * 0.92)
    along = (line[1] - line[0]) / np.hypot(*(line[1] - line[0]))
    across = np.array([-along[1], along[0]])
    canvas.strokes(
        np.stack([line + across * wide * 0.45, line - across * wide * 0.45]), 0.9, site.palette.marking
    )
    dashes(site, line, 0.0, 1.2, 50)
    if chance(rng, 0.5):
        end = 0.5 * (line[0] + line[1]) + along * number(rng, -0.35, 0.35) * canvas.extent
        bars = end + ((np.arange(8) - 3.5) * wide * 0.1)[:, None] * across
        angle = float(np.arctan2(along[1], along[0]))
        canvas.fill(boxes(bars, angle, wide * 0.55, wide * 0.05), site.palette.marking)


def _apron(site: Site, left: float, right: float, front: float, depth: float) -> None:
    """Draw the slabs of the apron, stained where aeroplanes stand."""
    canvas, extent = site.canvas, site.canvas.extent
    x, y = canvas.grid
    slab = (
        (x > np.float32(left))
        & (x < np.float32(right))
        & (y > np.float32(front))
        & (y < np.float32(front + depth))
    )
    stains = 1 + 0.07 * site.noise(extent / 8, 3) + 0.03 * site.grain
    tone = site.palette.concrete * number(site.rng, 0.8, 1.0)
    canvas.paint(tone, stains, slab)
    joints = np.arange(left, right, extent * 0.035)
    lines = np.stack(
        [np.stack([joints, np.full_like(joints, end)], axis=1) for end in (front, front + depth)], axis=1
    )
    canvas.strokes(lines, 0.5, tone * 0.75)
    canvas.strokes(
        np.array([[[left, front + depth * 0.12], [right, front + depth * 0.12]]]), 0.9, (206, 186, 96)
    )


def _landside(site: Site, left: float, right: float, back: float) -> None:
    """Draw the road and the car parks behind the terminal."""
    canvas, rng, extent = site.canvas, site.rng, site.canvas.extent
    middle = [[(left + right) / 2, back + extent * 0.16]]
    canvas.fill(boxes(middle, 0.0, (right - left) * 0.8, extent * 0.2), site.palette.asphalt * 1.05, 0.0)
    for row in back + extent * 0.1 + np.arange(0, extent * 0.15, 17.0):
        bays(site, (left * 0.75, float(row)), 0.0, (right - left) * 0.75, number(rng, 0.3, 0.9), True)
    road(
        site,
        np.array([[-canvas.reach, back + extent * 0.075], [canvas.reach, back + extent * 0.075]]),
        9,
        site.palette.asphalt,
    )


def _stands(site: Site, left: float, right: float, front: float, depth: float) -> None:
    """Draw terminal or hangars behind the apron, and the aeroplanes on it."""
    canvas, rng, extent = site.canvas, site.rng, site.canvas.extent
    length = extent * number(rng, 0.07, 0.125)
    back = front + depth
    roof = site.choose(site.palette.roofs, 3)
    kind = pick(rng, ("terminal", "terminal", "satellite", "hangars"))
    angles: NDArray[np.float64]
    if kind == "terminal":
        spots, angles = _terminal(site, left, right, back, depth, length)
    elif kind == "satellite":
        centre = np.array([[(left + right) / 2 * number(rng, 0.0, 1.0), front + depth * 0.5]])
        radius = length * number(rng, 0.5, 0.8)
        deep = extent * 0.07
        flat_roofs(
            site,
            np.array([[(left + right) / 2, back + deep / 2]]),
            0.0,
            (right - left) * 0.8,
            deep,
            roof[:1],
            14.0,
        )
        canvas.band(np.array([centre[0], [centre[0, 0], back]]), extent * 0.02, roof[0] * 0.9, 8.0)
        around = number(rng, 0, 1) + np.arange(7) * 2 * np.pi / 7
        canvas.discs(centre, radius, roof[0] * 1.05, 12.0)
        canvas.discs(centre, radius * 0.7, roof[0] * 0.9)
        spots = centre + (radius + length * 0.62) * np.stack([np.cos(around), np.sin(around)], axis=1)
        angles = around + np.pi
    else:
        size = extent * number(rng, 0.08, 0.12)
        for middle in np.arange(left + size, right, size * number(rng, 1.2, 1.7)):
            hall(
                site,
                (float(middle), back),
                np.pi / 2 * chance(rng, 0.5),
                size,
                size * 0.8,
                roof[count(rng, 0, 2)],
            )
        rows = np.arange(front + 0.7 * length, back - size * 0.5 - 0.5 * length, 1.25 * length)
        columns = np.arange(left + length, right - length, length * number(rng, 1.15, 1.6))
        spots = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        angles = np.full(len(spots), pick(rng, (np.pi / 2, -np.pi / 2, 0.8)))
    taken = rng.doubles(len(spots)) < number(rng, 0.5, 0.98)
    sizes = length * rng.uniform(0.8, 1.08, len(spots)) * (0.85 if kind == "satellite" else 1.0)
    jet = length > 30 or chance(rng, 0.4)
    planes(site, spots[taken], angles[taken] + rng.uniform(-0.08, 0.08, int(taken.sum())), sizes[taken], jet)
    moving = np.array([[number(rng, -0.4, 0.4) * extent, front - number(rng, 0.02, 0.1) * extent]])
    planes(site, moving, number(rng, -0.2, 0.2), length, jet)


def _terminal(
    site: Site, left: float, right: float, back: float, depth: float, length: float
) -> tuple[Points, NDArray[np.float64]]:
    """Draw a long terminal, often with piers; return where aeroplanes stand and how they are turned."""
    rng, extent = site.rng, site.canvas.extent
    deep = extent * number(rng, 0.05, 0.1)
    roof = site.choose(site.palette.roofs, 1)
    flat_roofs(
        site, np.array([[(left + right) / 2, back + deep * 0.3]]), 0.0, (right - left) * 0.9, deep, roof, 14.0
    )
    flat_roofs(
        site,
        np.array([[(left + right) / 2, back + deep * 0.5]]),
        0.0,
        (right - left) * 0.5,
        deep * 0.8,
        roof * 0.92,
        18.0,
    )
    edge = back - deep * 0.2
    if chance(rng, 0.5):
        stands = np.arange(left + length, right - length, length * number(rng, 1.15, 1.5))
        return np.stack([stands, np.full(len(stands), edge - length * 0.6)], axis=1), np.full(
            len(stands), np.pi / 2
        )
    wide, reach = extent * 0.028, depth * number(rng, 0.6, 0.8)
    piers = np.arange(left + 1.6 * length, right - 1.4 * length, 2.9 * length + wide)
    if len(piers) == 0:
        piers = np.array([(left + right) / 2])
    flat_roofs(
        site, np.stack([piers, np.full(len(piers), edge - reach / 2)], axis=1), np.pi / 2, reach, wide,
        np.repeat(roof, len(piers), axis=0), 11.0,
    )  # fmt: skip
    rows = np.arange(edge - reach + 0.3 * length, edge - 0.4 * length, 1.12 * length)
    away = wide / 2 + 0.6 * length
    spots = np.stack(np.meshgrid(np.concatenate([piers - away, piers + away]), rows), axis=-1).reshape(-1, 2)
    turned = np.where(np.arange(2 * len(piers)) < len(piers), 0.0, np.pi)
    return spots, np.tile(turned, len(rows))
