"""Dense and sparse residential areas."""

import numpy as np
from numpy.typing import NDArray

from erkt.scenes.buildings import flat_roofs, houses
from erkt.scenes.draws import chance, number, pick
from erkt.scenes.geometry import Points, boxes, smooth
from erkt.scenes.plants import grove, trees
from erkt.scenes.roads import road, traffic
from erkt.scenes.site import Site
from erkt.scenes.surroundings import GREEN, pool, town
from erkt.scenes.vehicles import cars


def dense_residential(site: Site) -> None:
    """House beside house along narrow streets, or rows of apartment blocks."""
    rng = site.rng
    if chance(rng, 0.25):
        _blocks(site)
        return
    town(site, None, number(rng, 9.5, 14), number(rng, 0.03, 0.3))


def _blocks(site: Site) -> None:
    """Draw apartment blocks in parallel rows with streets, cars and trees between them."""
    canvas, rng = site.canvas, site.rng
    reach = canvas.reach
    town(site, np.full_like(canvas.grid[0], -1.0), 15, 0.0)
    canvas.paint(site.palette.concrete * 0.86, 1 + 0.06 * site.grain, site.noise(40, 3) > -0.3)
    length, depth = number(rng, 18, 42), number(rng, 9, 12)
    across, along = depth + number(rng, 9, 16), length + number(rng, 5, 10)
    columns, rows = np.arange(-reach, reach, along), np.arange(-reach, reach, across)
    centres = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    for x in columns[::2]:
        line = np.array([[x - along / 2, -reach], [x - along / 2, reach]])
        road(site, line, 6.5, site.palette.asphalt)
        traffic(site, line, 2.4, 6.0, 0.4)
    between = (
        centres + np.array([0.0, across / 2]) + rng.uniform(-1, 1, *centres.shape) * np.array([length / 2, 2])
    )
    many = np.concatenate([between, between + np.array([9.0, 1.0])])
    cars(site, centres + np.array([length * 0.2, across / 2 - 2.0]), 0.0)
    seen = canvas.visible(centres, length) & (rng.doubles(len(centres)) < 0.93)
    amount = int(seen.sum())
    roofs = site.choose(site.palette.roofs, amount)
    if chance(rng, 0.6):
        flat_roofs(site, centres[seen], 0.0, length, depth, roofs, number(rng, 9, 24))
    else:
        houses(site, centres[seen], 0.0, length, depth, roofs)
    trees(site, many[rng.doubles(len(many)) < 0.6], number(rng, 1.8, 3.2))


def sparse_residential(site: Site) -> None:
    """A few houses far apart on large plots, with drives, pools and sheds."""
    canvas, rng = site.canvas, site.rng
    extent, reach = canvas.extent, canvas.reach
    knots = np.stack([np.linspace(-reach, reach, 5), rng.uniform(-0.12, 0.12, 5) * extent], axis=1)
    line = smooth(knots, 8)
    spacing = extent * number(rng, 0.26, 0.42)
    stops = np.arange(-reach, reach, spacing) + number(rng, 0, spacing)
    sides = np.where(rng.doubles(len(stops), 2) < 0.72, 1.0, 0.0) * np.array([1.0, -1.0])
    x = (stops[:, None] + rng.uniform(-0.2, 0.2, len(stops), 2) * spacing)[sides != 0]
    gap = sides[sides != 0] * extent * rng.uniform(0.1, 0.26, len(x))
    centres = np.stack([x, np.interp(x, *line.T) + gap], axis=1)
    u, v = canvas.grid
    free = np.full_like(u, 60.0)
    for a, b in centres:
        free = np.minimum(free, np.sqrt((u - np.float32(a)) ** 2 + (v - np.float32(b)) ** 2) - 19)
    free = np.where(canvas.near([line], 12), np.float32(-1), free)
    pick(rng, GREEN)(site, free)
    surface = site.palette.asphalt if chance(rng, 0.6) else site.palette.soil * 1.1
    road(site, line, number(rng, 4.5, 7.5), surface)
    for centre in centres:
        gate = np.array([centre[0], np.interp(centre[0], *line.T)])
        canvas.band(
            np.stack([gate, centre]), 3.0, site.palette.concrete * 0.92 if chance(rng, 0.6) else surface
        )
    amount = len(centres)
    angles = rng.uniform(-0.5, 0.5, amount) + np.pi / 2 * (rng.doubles(amount) < 0.4)
    lawn = rng.doubles(amount) < 0.6
    canvas.fill(boxes(centres[lawn], angles[lawn], 38, 30), site.palette.grass * 0.95)
    _homesteads(site, centres, angles)
    grove(site, number(rng, 6, 9), number(rng, 0.05, 0.3), free - 2, extent / 6)


def _homesteads(site: Site, centres: Points, angles: NDArray[np.float64]) -> None:
    """Draw the houses of ``sparse_residential``: a wing, a shed, a pool or a car beside some."""
    rng, amount = site.rng, len(centres)
    roofs = site.choose(site.palette.roofs, amount)
    for index in range(amount):
        if chance(rng, 0.3):
            pool(
                site,
                (float(centres[index, 0]) + number(rng, 12, 16), float(centres[index, 1]) + 6),
                angles[index],
            )
    wings = centres + rng.uniform(-6, 6, amount, 2)
    houses(site, wings, angles + np.pi / 2, rng.uniform(9, 14, amount), rng.uniform(7, 9, amount), roofs)
    houses(site, centres, angles, rng.uniform(15, 23, amount), rng.uniform(9, 13, amount), roofs)
    sheds = centres + rng.uniform(-1, 1, amount, 2) * 18
    kept = rng.doubles(amount) < 0.5
    houses(site, sheds[kept], angles[kept], 6.0, 5.0, site.choose(site.palette.roofs, int(kept.sum())))
    cars(
        site, centres + rng.uniform(9, 12, amount, 2) * np.where(rng.doubles(amount, 2) < 0.5, 1, -1), angles
    )
    spots = (
        centres[rng.integers(amount, 3 * amount)] + rng.uniform(-22, 22, 3 * amount, 2) if amount else centres
    )
    trees(site, spots, rng.uniform(2, 4.5, len(spots)))
