"""Roads with kerbs, markings and traffic; parking bays."""

import numpy as np
from numpy.typing import ArrayLike

from erkt.scenes.draws import number
from erkt.scenes.geometry import Points, walk
from erkt.scenes.site import Site
from erkt.scenes.vehicles import cars, lorries


def road(
    site: Site, line: Points, width: float, colour: ArrayLike, kerb: float = 0.0, marked: bool = False,
    height: float | None = None,
) -> None:  # fmt: skip
    """Draw a road along ``line`` (N, 2).

    Args:
        site: The scene.
        line: Vertices of the centre line in metres.
        width: Metres from edge to edge.
        colour: RGB of the surface.
        kerb: Width of the pavement or verge on either side in metres.
        marked: Whether there is a dashed line in the middle.
        height: Metres above ground; None for a road on it.
    """
    canvas = site.canvas
    if kerb > 0:
        canvas.band(line, width + 2 * kerb, site.palette.concrete * 0.94, height)
    canvas.band(line, width, colour, height)
    if marked:
        dashes(site, line, 0.0, 0.4)


def dashes(site: Site, line: Points, offset: float, width: float, spacing: float = 9.0) -> None:
    """Draw a dashed marking ``offset`` metres to the left of ``line``, dashes ``spacing`` metres apart."""
    points, direction = walk(line, spacing / 2)
    if len(points) < 2:
        return
    side = np.stack([-np.sin(direction), np.cos(direction)], axis=1) * offset
    pieces = np.stack([points[:-1] + side[:-1], points[1:] + side[1:]], axis=1)[::2]
    seen = site.canvas.visible(pieces[:, 0], spacing)
    site.canvas.strokes(pieces[seen], width, site.palette.marking * 0.95)


def traffic(
    site: Site, line: Points, offset: float, spacing: float, density: float, heavy: float = 0.0
) -> None:
    """Put cars on a lane.

    Args:
        site: The scene.
        line: Vertices of the road's centre line in metres.
        offset: Metres from that line to the lane, to the left; lanes on the right drive forwards.
        spacing: Metres between places where a car may be.
        density: Share of these places taken.
        heavy: Share of lorries.
    """
    points, direction = walk(line, spacing)
    if len(points) == 0:
        return
    rng = site.rng
    points = points + np.stack([-np.sin(direction), np.cos(direction)], axis=1) * offset
    turn = direction + (np.pi if offset > 0 else 0.0)
    ahead = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    points = points + ahead * rng.uniform(-0.25, 0.25, len(points), 1) * spacing
    taken = (rng.doubles(len(points)) < density) & site.canvas.visible(points, 8.0)
    large = rng.doubles(len(points)) < heavy
    cars(site, points[taken & ~large], turn[taken & ~large])
    lorries(site, points[taken & large], turn[taken & large])


def bays(
    site: Site, start: tuple[float, float], angle: float, length: float, taken: float, both: bool
) -> None:
    """Draw a row of parking bays with their lines and cars.

    Args:
        site: The scene.
        start: Where the row begins, metres.
        angle: Direction of the row in radians; cars stand across it.
        length: Metres along the row.
        taken: Share of bays with a car.
        both: Whether cars stand nose to nose on both sides of the row's line.
    """
    canvas, rng = site.canvas, site.rng
    pitch, depth = 2.6, 5.2
    amount = int(length / pitch)
    if amount < 1:
        return
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    sides = (1.0, -1.0) if both else (1.0,)
    edge = np.array(start) + np.arange(amount + 1)[:, None] * pitch * along
    if not canvas.visible(edge, 2 * depth).any():
        return
    lines = np.stack([edge - across * depth * (1.0 if both else 0.0), edge + across * depth], axis=1)
    spine = np.stack([edge[0], edge[-1]])[None]
    canvas.strokes(np.concatenate([lines, spine]), 0.3, site.palette.marking * 0.93)
    for side in sides:
        middle = edge[:-1] + along * pitch / 2 + across * side * (depth / 2 + number(rng, -0.2, 0.2))
        present = (rng.doubles(amount) < taken) & canvas.visible(middle, 4.0)
        nose = np.where(rng.doubles(amount) < 0.7, 0.0, np.pi) + angle + np.pi / 2
        cars(site, middle[present], nose[present])
