"""Shapes in metres: placed copies, ribbons along curves, smooth curves, rectangular plots."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from erkt.scenes.draws import chance, number
from erkt.seeds import Stream

Points = NDArray[np.float64]

SQUARE: Points = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
Rectangle = tuple[float, float, float, float]


def place(
    shape: Points, centres: ArrayLike, angles: ArrayLike, lengths: ArrayLike, widths: ArrayLike
) -> Points:
    """Return copies of ``shape`` (K, 2), stretched, turned and moved: (N, K, 2) in metres.

    Args:
        shape: Vertices of a shape of unit length and width around the origin.
        centres: (N, 2) metres, where the origin goes.
        angles: Direction of the shape's first axis in radians, one or (N,).
        lengths: Stretch of the first axis in metres, one or (N,).
        widths: Stretch of the second axis in metres, one or (N,).
    """
    middle = np.asarray(centres, dtype=np.float64).reshape(-1, 2)
    turn, length, width = (
        np.broadcast_to(np.asarray(value, dtype=np.float64), len(middle))[:, None]
        for value in (angles, lengths, widths)
    )
    first, second = shape[:, 0] * length, shape[:, 1] * width
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack([first * cos - second * sin, first * sin + second * cos], axis=-1) + middle[:, None, :]


def boxes(centres: ArrayLike, angles: ArrayLike, lengths: ArrayLike, widths: ArrayLike) -> Points:
    """Return rectangles (N, 4, 2); arguments as in ``place``."""
    return place(SQUARE, centres, angles, lengths, widths)


def normals(line: Points) -> Points:
    """Return the unit normals (N, 2) of a polyline (N, 2) at its vertices, to its left."""
    direction = np.gradient(line, axis=0)
    direction = direction / np.maximum(np.hypot(direction[:, 0], direction[:, 1]), 1e-9)[:, None]
    return np.stack([-direction[:, 1], direction[:, 0]], axis=1)


def headings(line: Points) -> NDArray[np.float64]:
    """Return the direction in radians (N,) of a polyline (N, 2) at its vertices."""
    direction = np.gradient(line, axis=0)
    return np.arctan2(direction[:, 1], direction[:, 0])


def ribbon(line: Points, width: float, offset: float = 0.0) -> Points:
    """Return the quadrilaterals (N - 1, 4, 2) that cover a band along ``line`` (N, 2).

    Args:
        line: Vertices of the centre line in metres.
        width: Width of the band in metres.
        offset: Distance of the band's middle to the left of the line in metres.
    """
    normal = normals(line)
    left, right = line + normal * (offset + width / 2), line + normal * (offset - width / 2)
    return np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)


def smooth(knots: ArrayLike, steps: int = 8) -> Points:
    """Return a Catmull-Rom curve through ``knots`` (K, 2): (steps * (K - 1) + 1, 2)."""
    knot = np.asarray(knots, dtype=np.float64)
    padded = np.concatenate([2 * knot[:1] - knot[1:2], knot, 2 * knot[-1:] - knot[-2:-1]])
    t = (np.arange(steps) / steps)[None, :, None]
    p0, p1, p2, p3 = (padded[start : start + len(knot) - 1, None, :] for start in range(4))
    curve = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return np.concatenate([curve.reshape(-1, 2), knot[-1:]])


def arc(centre: tuple[float, float], radius: float, start: float, end: float, steps: int = 24) -> Points:
    """Return points (steps + 1, 2) on a circle from angle ``start`` to ``end`` in radians."""
    angle = start + (end - start) * np.arange(steps + 1) / steps
    return np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], axis=1)


def walk(line: Points, spacing: float) -> tuple[Points, NDArray[np.float64]]:
    """Return points (M, 2) every ``spacing`` metres along ``line`` and the line's direction there (M,)."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    stops = np.arange(spacing / 2, travelled[-1], spacing)
    points = np.stack([np.interp(stops, travelled, line[:, axis]) for axis in (0, 1)], axis=1)
    direction = headings(line)[np.clip(np.searchsorted(travelled, stops), 0, len(line) - 1)]
    return points, direction


def plots(rng: Stream, area: Rectangle, target: float, elongation: float) -> list[Rectangle]:
    """Cut a rectangle into plots by repeated straight cuts, as land is divided.

    Args:
        rng: Source of the cuts.
        area: (left, bottom, right, top) in metres.
        target: Plots narrower than about this many metres are not cut again.
        elongation: How much longer than wide a plot may be; large values give strips.

    Returns:
        The plots as (left, bottom, right, top).
    """
    done, open_ = [], [area]
    while open_:
        left, bottom, right, top = open_.pop()
        width, height = right - left, (top - bottom) / elongation
        if max(width, height) < target * number(rng, 1.0, 2.0):
            done.append((left, bottom, right, top))
            continue
        share = number(rng, 0.35, 0.65)
        if width > height * number(rng, 0.75, 1.3) or chance(rng, 0.05):
            cut = left + share * (right - left)
            open_ += [(left, bottom, cut, top), (cut, bottom, right, top)]
        else:
            cut = bottom + share * (top - bottom)
            open_ += [(left, bottom, right, cut), (left, cut, right, top)]
    return done


def scatter(rng: Stream, radius: float, spacing: float, jitter: float = 0.8) -> Points:
    """Return points (N, 2) of a jittered square lattice with the given spacing that covers a disc."""
    half = math.ceil(radius / spacing)
    axis = (np.arange(-half, half + 1)) * spacing
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return grid + rng.uniform(-jitter / 2, jitter / 2, *grid.shape) * spacing
