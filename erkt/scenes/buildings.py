"""Buildings: houses under pitched roofs, halls under flat or ridged ones, tanks."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from erkt.scenes.draws import chance, number
from erkt.scenes.geometry import Points, boxes, place
from erkt.scenes.site import Site

# Faces of a roof over the unit square, and the direction each looks to.
GABLE = (
    (np.array([[-0.5, 0.0], [0.5, 0.0], [0.5, 0.5], [-0.5, 0.5]]), np.pi / 2),
    (np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.0], [-0.5, 0.0]]), -np.pi / 2),
)
HIP = (
    (np.array([[-0.22, 0.0], [0.22, 0.0], [0.5, 0.5], [-0.5, 0.5]]), np.pi / 2),
    (np.array([[-0.5, -0.5], [0.5, -0.5], [0.22, 0.0], [-0.22, 0.0]]), -np.pi / 2),
    (np.array([[0.5, -0.5], [0.5, 0.5], [0.22, 0.0]]), 0.0),
    (np.array([[-0.5, 0.5], [-0.5, -0.5], [-0.22, 0.0]]), np.pi),
)


def _towards_sun(site: Site, direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine between horizontal directions in radians (N,) and the sun's."""
    east, north = site.canvas.sunward
    return np.asarray(np.cos(direction) * east + np.sin(direction) * north)


def houses(
    site: Site,
    centres: Points,
    angles: ArrayLike,
    lengths: ArrayLike,
    widths: ArrayLike,
    roofs: NDArray[np.float64],
) -> None:
    """Draw houses under gabled or hipped roofs, one style a call, with chimneys.

    Args:
        site: The scene.
        centres: (N, 2) metres.
        angles: Directions of the ridges in radians, one or (N,).
        lengths: Metres along the ridge, one or (N,); houses of length 0 are left out.
        widths: Metres across the ridge, one or (N,).
        roofs: Colours (N, 3).
    """
    amount = len(centres)
    if amount == 0:
        return
    turn = np.broadcast_to(np.asarray(angles, dtype=np.float64), amount)
    height = site.rng.uniform(4.0, 7.5, amount)
    faces = HIP if chance(site.rng, 0.5) else GABLE
    length, width = (
        np.broadcast_to(np.asarray(value, dtype=np.float64), amount) for value in (lengths, widths)
    )
    kept = length > 0
    centres, turn, length, width, roofs = centres[kept], turn[kept], length[kept], width[kept], roofs[kept]
    site.canvas.fill(boxes(centres, turn, length, width), roofs * 0.5, height[kept])
    for face, look in faces:
        light = 1 + 0.24 * _towards_sun(site, turn + look)
        site.canvas.fill(place(face, centres, turn, length, width), roofs * light[:, None])


def flat_roofs(
    site: Site, centres: Points, angles: ArrayLike, lengths: ArrayLike, widths: ArrayLike,
    roofs: NDArray[np.float64],
    height: float = 9.0,
) -> None:  # fmt: skip
    """Draw buildings with flat roofs, parapets and a few boxes of machinery; arguments as in ``houses``."""
    amount = len(centres)
    if amount == 0:
        return
    turn, length, width = (
        np.broadcast_to(np.asarray(value, dtype=np.float64), amount) for value in (angles, lengths, widths)
    )
    kept = length > 0
    body = centres[kept], turn[kept]
    site.canvas.fill(boxes(*body, length[kept], width[kept]), roofs[kept] * 1.1, height)
    site.canvas.fill(boxes(*body, length[kept] - 1.6, width[kept] - 1.6), roofs[kept] * 0.97)
    owner = np.repeat(np.arange(amount), 4)
    offset = site.rng.uniform(-0.38, 0.38, len(owner), 2) * np.stack([length, width], axis=1)[owner]
    cos, sin = np.cos(turn)[owner], np.sin(turn)[owner]
    offset = np.stack(
        [offset[:, 0] * cos - offset[:, 1] * sin, offset[:, 0] * sin + offset[:, 1] * cos], axis=1
    )
    size = site.rng.uniform(1.2, 3.8, len(owner), 2)
    tone = roofs[owner] * 0.4 + site.rng.uniform(50, 150, len(owner), 1)
    shapes = boxes(centres[owner] + offset, turn[owner], size[:, 0], size[:, 1])
    site.canvas.fill(shapes[kept[owner]], tone[kept[owner]], height + 1.5)


def hall(
    site: Site,
    centre: tuple[float, float],
    angle: float,
    length: float,
    width: float,
    roof: NDArray[np.float64],
) -> None:
    """Draw one large hall: a flat roof with skylights, or bays of shallow gables."""
    canvas, rng = site.canvas, site.rng
    height = number(rng, 7.0, 13.0)
    middle = np.array([centre])
    canvas.fill(boxes(middle, angle, length, width), roof * 0.6, height)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    if chance(rng, 0.5):
        canvas.fill(boxes(middle, angle, length - 1, width - 1), roof)
        rows, columns = max(int(width / number(rng, 9, 16)), 1), max(int(length / number(rng, 7, 14)), 2)
        v = ((np.arange(rows) + 0.5) / rows - 0.5) * width
        u = ((np.arange(columns) + 0.5) / columns - 0.5) * length
        spots = (u[None, :, None] * along + v[:, None, None] * across).reshape(-1, 2) + middle
        tone = roof * 0.45 + 130 if chance(rng, 0.6) else roof * 0.7
        canvas.fill(boxes(spots, angle, number(rng, 1.5, 4.0), number(rng, 1.2, 2.2)), tone)
        return
    bays = max(int(width / number(rng, 10, 22)), 1)
    step = width / bays
    for face, look in GABLE:
        spots = middle + (((np.arange(bays) + 0.5) / bays - 0.5) * width)[:, None] * across
        light = 1 + 0.2 * _towards_sun(site, np.array([angle + look]))
        canvas.fill(place(face, spots, angle, length, step), roof * light[:, None])


def tanks(site: Site, centres: Points, radii: NDArray[np.float64], colours: NDArray[np.float64]) -> None:
    """Draw round tanks: a bright rim, the roof inside it, and the rim's crescent of shade.

    Args:
        site: The scene.
        centres: (N, 2) metres.
        radii: (N,) metres.
        colours: (N, 3).
    """
    canvas = site.canvas
    sun = np.array(canvas.sunward)
    height = np.clip(radii * site.rng.uniform(0.5, 1.1, len(radii)), 4, 22)
    floating = chance(site.rng, 0.5)
    canvas.discs(centres, radii, colours * 0.72, height)
    canvas.discs(centres + sun * radii[:, None] * 0.04, radii * 0.96, colours * 1.06)
    if floating:
        canvas.discs(centres, radii * 0.88, colours * 0.55)
        canvas.discs(centres - sun * radii[:, None] * 0.12, radii * 0.8, colours * 0.9)
        return
    for ring, light in ((0.8, 1.0), (0.5, 1.05), (0.22, 1.1)):
        canvas.discs(centres + sun * radii[:, None] * (1 - ring) * 0.25, radii * ring, colours * light)
    canvas.discs(centres, np.maximum(radii * 0.08, 0.8), colours * 0.6)
