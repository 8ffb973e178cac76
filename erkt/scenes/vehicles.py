"""Things that move: cars, lorries, boats, ships, aeroplanes."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from erkt.scenes.draws import chance, number
from erkt.scenes.geometry import Points, boxes, place
from erkt.scenes.palette import CARS
from erkt.scenes.site import Site

HULL = np.array(
    [[-0.5, -0.42], [0.15, -0.5], [0.38, -0.28], [0.5, 0.0], [0.38, 0.28], [0.15, 0.5], [-0.5, 0.42]]
)
FUSELAGE = np.array(
    [[-0.5, -0.02], [-0.3, -0.05], [0.36, -0.055], [0.46, -0.035], [0.5, 0.0],
     [0.46, 0.035], [0.36, 0.055], [-0.3, 0.05], [-0.5, 0.02]]
)  # fmt: skip
WINGS = np.array([[0.12, 0.0], [-0.14, 0.5], [-0.21, 0.5], [-0.1, 0.0], [-0.21, -0.5], [-0.14, -0.5]])
STRAIGHT_WINGS = np.array([[0.12, 0.0], [0.1, 0.5], [-0.02, 0.5], [-0.06, 0.0], [-0.02, -0.5], [0.1, -0.5]])
TAIL = np.array([[-0.36, 0.0], [-0.47, 0.19], [-0.51, 0.19], [-0.47, 0.0], [-0.51, -0.19], [-0.47, -0.19]])
CONTAINERS = np.array(
    [[178, 74, 58], [66, 96, 148], [206, 152, 62], [88, 128, 92], [196, 196, 192], [120, 60, 62]]
)


def cars(site: Site, centres: Points, angles: ArrayLike) -> None:
    """Draw parked or driving cars at ``centres`` (N, 2) that head to ``angles`` (radians)."""
    amount = len(centres)
    if amount == 0:
        return
    rng = site.rng
    turn = np.broadcast_to(np.asarray(angles, dtype=np.float64), amount)
    paint = site.choose(np.array(CARS, dtype=np.float64), amount)
    length = rng.uniform(3.9, 5.0, amount)
    site.canvas.fill(boxes(centres, turn, length, 1.95), paint, 1.5)
    ahead = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    if site.canvas.scale > 1.6:
        site.canvas.fill(boxes(centres + ahead * 0.7, turn, 0.9, 1.6), paint * 0.3 + 20)
    if site.canvas.scale > 2.2:
        site.canvas.fill(boxes(centres - ahead * 1.5, turn, 0.6, 1.5), paint * 0.3 + 20)


def lorries(site: Site, centres: Points, angles: ArrayLike) -> None:
    """Draw lorries: a long box and a cab; arguments as in ``cars``."""
    amount = len(centres)
    if amount == 0:
        return
    turn = np.broadcast_to(np.asarray(angles, dtype=np.float64), amount)
    ahead = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    box = np.where(
        site.rng.doubles(amount, 1) < 0.6, 226.0, site.choose(CONTAINERS.astype(np.float64), amount)
    )
    site.canvas.fill(boxes(centres, turn, 12.0, 2.6), box, 4.0)
    site.canvas.fill(
        boxes(centres + ahead * 7.4, turn, 2.2, 2.5), site.choose(np.array(CARS) * 1.0, amount), 3.0
    )


def boats(site: Site, centres: Points, angles: ArrayLike, lengths: ArrayLike) -> None:
    """Draw boats: a white hull, a deck, a cabin; ``lengths`` in metres."""
    amount = len(centres)
    if amount == 0:
        return
    length = np.broadcast_to(np.asarray(lengths, dtype=np.float64), amount)
    turn = np.broadcast_to(np.asarray(angles, dtype=np.float64), amount)
    ahead = np.stack([np.cos(turn), np.sin(turn)], axis=1) * length[:, None]
    width = length * site.rng.uniform(0.28, 0.36, amount)
    hull = np.where(
        site.rng.doubles(amount, 1) < 0.8, 236.0, site.choose(CONTAINERS.astype(np.float64), amount)
    )
    site.canvas.fill(place(HULL, centres, turn, length, width), hull, 1.6)
    deck = site.choose(np.array([[206.0, 196.0, 176.0], [150.0, 116.0, 82.0], [90.0, 120.0, 160.0]]), amount)
    site.canvas.fill(place(HULL, centres - ahead * 0.06, turn, length * 0.66, width * 0.6), deck)
    site.canvas.fill(boxes(centres + ahead * 0.04, turn, length * 0.24, width * 0.56), hull * 0.97, 2.6)


def ship(site: Site, centre: tuple[float, float], angle: float, length: float) -> None:
    """Draw one cargo ship: hull, rows of containers or hatches, the bridge at the stern."""
    canvas, rng = site.canvas, site.rng
    middle, width = np.array([centre]), length * number(rng, 0.14, 0.18)
    hull = site.choose(np.array([[70.0, 60.0, 64.0], [140.0, 62.0, 52.0], [60.0, 84.0, 120.0]]), 1)
    canvas.fill(place(HULL, middle, angle, length, width), hull, 5.0)
    canvas.fill(place(HULL, middle, angle, length * 0.97, width * 0.84), hull * 0.4 + 90)
    ahead = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-ahead[1], ahead[0]])
    bays = (np.arange(9) / 8 - 0.42) * length * 0.72
    if chance(rng, 0.6):
        rows = (np.arange(5) / 4 - 0.5) * width * 0.66
        spots = (bays[:, None, None] * ahead + rows[None, :, None] * aside).reshape(-1, 2) + middle
        boxes_ = boxes(spots, angle, length * 0.078, width * 0.16)
        canvas.fill(boxes_, site.choose(CONTAINERS.astype(np.float64), len(spots)), 9.0)
    else:
        canvas.fill(
            boxes(bays[:, None] * ahead + middle, angle, length * 0.06, width * 0.6), hull * 0.3 + 120, 6.0
        )
    canvas.fill(boxes(middle - ahead * length * 0.42, angle, length * 0.07, width * 0.8), 232, 16.0)


def planes(site: Site, centres: Points, angles: ArrayLike, lengths: ArrayLike, swept: bool = True) -> None:
    """Draw aeroplanes heading to ``angles`` (radians), ``lengths`` metres long and about as wide."""
    amount = len(centres)
    if amount == 0:
        return
    canvas = site.canvas
    length = np.broadcast_to(np.asarray(lengths, dtype=np.float64), amount)
    livery: NDArray[np.float64] = np.array([236.0, 238.0, 240.0]) * site.rng.uniform(0.9, 1.04, amount, 1)
    wings = WINGS if swept else STRAIGHT_WINGS
    canvas.fill(place(wings, centres, angles, length, length), livery * 0.9, 4.0)
    canvas.fill(place(TAIL, centres, angles, length, length), livery * 0.9, 6.0)
    canvas.fill(place(FUSELAGE, centres, angles, length, length * 1.3), livery, 6.0)
    turn = np.broadcast_to(np.asarray(angles, dtype=np.float64), amount)
    ahead = np.stack([np.cos(turn), np.sin(turn)], axis=1) * length[:, None]
    fin = site.choose(np.array([[190.0, 60.0, 56.0], [60.0, 90.0, 160.0], [70.0, 130.0, 110.0]]), amount)
    canvas.fill(boxes(centres - ahead * 0.43, angles, length * 0.12, length * 0.022), fin, 9.0)
