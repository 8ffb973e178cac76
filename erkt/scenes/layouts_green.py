"""Farmland, forest, park."""

import numpy as np

from erkt.scenes.buildings import houses
from erkt.scenes.draws import chance, count, number, pick
from erkt.scenes.geometry import Points, arc, boxes, scatter, smooth
from erkt.scenes.plants import grove, trees, turf
from erkt.scenes.roads import road
from erkt.scenes.site import Site
from erkt.scenes.surroundings import barren, cropland, town
from erkt.scenes.texture import Field, stripes
from erkt.scenes.water import beside, blob, course, fill_water

FLOWERS = np.array([[190.0, 90.0, 100.0], [210.0, 170.0, 80.0], [150.0, 100.0, 150.0], [220.0, 210.0, 190.0]])


def farmland(site: Site) -> None:
    """Fields as patches, as strips or as irrigated circles; a farm or a track at times."""
    rng, canvas = site.rng, site.canvas
    style = pick(rng, ("patches", "patches", "strips", "circles"))
    if style == "circles":
        _pivots(site)
    elif style == "strips":
        cropland(site, None, canvas.extent * number(rng, 0.04, 0.1), number(rng, 4.0, 14.0))
    else:
        cropland(site, None)
    reach = canvas.reach
    if chance(rng, 0.35):
        y = rng.uniform(-0.6, 0.6, 4) * reach
        line = smooth(np.stack([np.linspace(-reach, reach, 4), y], axis=1))
        road(
            site,
            line,
            number(rng, 3.5, 6),
            site.palette.soil * 1.1 if chance(rng, 0.6) else site.palette.asphalt,
        )
    if chance(rng, 0.3):
        middle = rng.uniform(-0.4, 0.4, 2) * canvas.extent
        centres = middle + rng.uniform(-24, 24, count(rng, 2, 5), 2)
        trees(site, middle + rng.uniform(-34, 34, 14, 2), rng.uniform(2.5, 5, 14))
        amount = len(centres)
        angles = np.where(rng.doubles(amount) < 0.5, 0.0, np.pi / 2)
        roofs = site.choose(site.palette.roofs, amount)
        houses(site, centres, angles, rng.uniform(12, 26, amount), rng.uniform(8, 12, amount), roofs)


def _pivots(site: Site) -> None:
    """Draw circles watered by a turning arm, on a grid, with wedges and rings."""
    canvas, rng = site.canvas, site.rng
    if chance(rng, 0.6):
        barren(site, None)
    else:
        cropland(site, None, canvas.extent * 0.5, 1.0)
    radius = canvas.extent * number(rng, 0.16, 0.38)
    pitch = 2 * radius * number(rng, 1.02, 1.12)
    x, y = canvas.grid
    column, row = np.round(x / np.float32(pitch)), np.round(y / np.float32(pitch))
    u, v = x - column * np.float32(pitch), y - row * np.float32(pitch)
    away = np.sqrt(u * u + v * v)
    cell = ((column * 7 + row * 3) % 16).astype(np.intp)
    tone, present = site.choose(site.palette.crops, 16, 0.15), rng.doubles(16) < 0.85
    second, wedge = site.choose(site.palette.crops, 16, 0.15), rng.uniform(-1, 1, 2, 16).astype(np.float32)
    cut = (u * wedge[0][cell] + v * wedge[1][cell] > 0) & (v * wedge[0][cell] > u * wedge[1][cell])
    cut &= (rng.doubles(16) < 0.4)[cell]
    colour = np.where(cut[..., None], second[cell], tone[cell])
    rings = stripes(away, radius * number(rng, 0.08, 0.2)) * np.float32(number(rng, 0.02, 0.08))
    shade = 1 + rings + 0.08 * site.noise(canvas.extent / 6, 4) + 0.04 * site.grain
    watered = (away < radius) & present[cell]
    canvas.paint(colour, shade, watered)
    canvas.flatten(watered)


def forest(site: Site) -> None:
    """Closed canopy of one or two kinds of trees, with clearings, a track or a brook."""
    rng, canvas = site.rng, site.canvas
    turf(site)
    reach = canvas.reach
    free: Field | None = None
    kind = pick(rng, ("closed", "closed", "track", "brook"))
    if kind != "closed":
        path = course(
            site,
            number(rng, 0.02, 0.1) * reach,
            number(rng, 0.7, 1.5) * reach,
            0.0,
            0.4 * reach * number(rng, -1, 1),
        )
        width = number(rng, 3, 7)
        away = np.abs(beside(site, path)) - np.float32(width / 2)
        free = away - np.float32(number(rng, 0, 2.5))
        if kind == "brook":
            fill_water(site, away, 2.0, 4.0)
        else:
            road(site, path.line, width, site.palette.soil * 1.1)
    spacing = number(rng, 5.0, 9.5)
    centres = scatter(rng, reach, spacing)
    cover = number(rng, 0.75, 1.15)
    glade = canvas.sample(site.noise(canvas.extent / 3, 3), centres)
    keep = glade > 1.2 * (1 - 2 * cover)
    radii = spacing * rng.uniform(0.45, 0.82, len(centres))
    if free is not None:
        keep &= canvas.sample(free, centres) > radii * 0.6
    second = canvas.sample(site.noise(canvas.extent / 4, 3), centres) > number(rng, -0.2, 1.0)
    mixed = site.palette.foliage * np.array([[1.35, 1.1, 0.8], [1.3, 1.05, 0.8]]) + 12
    trees(site, centres, np.where(keep & ~second, radii, 0.0))
    trees(site, centres, np.where(keep & second, radii, 0.0), mixed)


def park(site: Site) -> None:
    """Lawns with a net of paths and groups of trees; often a lake, a plaza or a playing field."""
    canvas, rng = site.canvas, site.rng
    x, y = canvas.grid
    edge = canvas.extent * number(rng, 0.3, 0.9)
    shift = np.float32(number(rng, -0.2, 0.2) * edge)
    inside = np.maximum(np.abs(x + shift), np.abs(y)) - np.float32(edge)
    if inside.max() > 2:
        town(site, inside - 4, number(rng, 12, 18), 0.25)
        canvas.paint(site.palette.asphalt, None, inside < 9)
        canvas.paint(site.palette.concrete, None, inside < 2)
        canvas.flatten(inside < 9)
    shade = 1 + 0.09 * site.noise(canvas.extent / 4, 4) + 0.06 * site.grain
    canvas.paint(site.palette.grass * np.array([0.95, 1.0, 0.92]), shade, inside < 0)
    free = np.minimum(-inside, 40) - 3
    hub = rng.uniform(-0.18, 0.18, 2) * canvas.extent
    if chance(rng, 0.55):
        size = canvas.extent * number(rng, 0.1, 0.24)
        lake = np.maximum(
            blob(site, (float(hub[0]), float(hub[1])), size, count(rng, 1, 3), 0.12), inside + 8
        )
        canvas.paint(
            site.palette.concrete * 0.98, None, np.abs(lake - np.float32(canvas.extent * 0.03)) < 1.6
        )
        fill_water(site, lake, number(rng, 0.0, 3.0))
        free = np.minimum(free, lake)
    paths = _paths(site, hub, edge)
    colour = site.palette.concrete if chance(rng, 0.6) else site.palette.soil * 0.5 + 105
    width = canvas.extent * number(rng, 0.016, 0.026)
    canvas.paint(colour, None, canvas.near(paths, width) & (free > -2))
    free = np.where(canvas.near(paths, width + 3), np.float32(-1), free)
    free = _features(site, free, hub)
    grove(site, number(rng, 6.5, 10), number(rng, 0.12, 0.45), free, canvas.extent / number(rng, 5, 10))


def _paths(site: Site, hub: Points, edge: float) -> list[Points]:
    """Return a park's paths: spokes from a hub and a ring, or curves from side to side."""
    rng = site.rng
    if chance(rng, 0.5):
        start, spokes = number(rng, 0, np.pi), count(rng, 5, 9)
        angles = start + np.arange(spokes) * 2 * np.pi / spokes
        tips = hub + 1.5 * edge * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        lines = [np.linspace(hub, tip, 30) for tip in tips]
        middle = (float(hub[0]), float(hub[1]))
        return [*lines, arc(middle, edge * number(rng, 0.25, 0.5), 0, 2 * np.pi, 36)]
    gates = count(rng, 5, 8)
    angles = (
        number(rng, 0, 2 * np.pi) + (np.arange(gates) + rng.uniform(-0.25, 0.25, gates)) * 2 * np.pi / gates
    )
    ends = 1.5 * edge * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    curves = []
    for first in range(gates):
        second = (first + count(rng, 1, gates // 2)) % gates
        bend = hub * 0.5 + 0.3 * (ends[first] + ends[second]) * number(rng, 0.3, 1.0)
        knots = np.stack(
            [ends[first], 0.5 * (ends[first] + bend), bend, 0.5 * (ends[second] + bend), ends[second]]
        )
        knots[1:4] += rng.uniform(-0.12, 0.12, 3, 2) * edge
        curves.append(smooth(knots, 10))
    return curves


def _features(site: Site, free: Field, hub: Points) -> Field:
    """Add a plaza, flower beds, a playing field or a pavilion; return the ground still free."""
    canvas, rng = site.canvas, site.rng
    x, y = canvas.grid
    plaza, radius, jet = chance(rng, 0.6), number(rng, 7, 15), pick(rng, ((90, 150, 170), (170, 90, 100)))
    if plaza and float(canvas.sample(free, hub[None])[0]) > -5:
        canvas.discs([hub], radius, site.palette.concrete * 0.97)
        canvas.discs([hub], radius * 0.45, jet)
        canvas.discs([hub], radius * 0.2, site.palette.concrete * 1.05, 2.0)
        away = np.sqrt((x - np.float32(hub[0])) ** 2 + (y - np.float32(hub[1])) ** 2)
        free = np.minimum(free, away - np.float32(radius))
    court, spot = chance(rng, 0.5), rng.uniform(-0.3, 0.3, 2) * canvas.extent
    colour = np.array(pick(rng, ((168, 104, 84), (92, 128, 90), (100, 128, 152))))
    if court and canvas.sample(free, boxes([spot], 0.0, 36, 20)[0]).min() > 0:
        canvas.fill(boxes([spot], 0.0, 36, 20), colour)
        canvas.fill(boxes([spot], 0.0, 32.6, 16.6), site.palette.marking)
        canvas.fill(boxes([spot], 0.0, 31.6, 15.6), colour)
        canvas.fill(boxes([spot], 0.0, 0.6, 16), site.palette.marking)
        aside = np.maximum(np.abs(x - np.float32(spot[0])) - 8, np.abs(y - np.float32(spot[1])))
        free = np.minimum(free, aside - 12)
    beds = rng.uniform(-0.4, 0.4, count(rng, 3, 14), 2) * canvas.extent
    tones = site.choose(FLOWERS, len(beds))
    size = rng.uniform(1.5, 4.0, len(beds))
    keep = canvas.sample(free, beds) > 3
    canvas.discs(beds[keep], size[keep], tones[keep])
    return free
