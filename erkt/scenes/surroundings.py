"""What lies around and between: the same kinds of country for every class.

Each function covers the whole canvas with ground and keeps its buildings and trees out of the area that
the class itself will take: ``free`` is the distance to that area in metres, negative inside it.
"""

import numpy as np

from erkt.scenes.buildings import flat_roofs, hall, houses
from erkt.scenes.draws import chance, count, number, pick
from erkt.scenes.geometry import Points, boxes, plots, scatter
from erkt.scenes.plants import grove, trees, turf
from erkt.scenes.roads import road, traffic
from erkt.scenes.site import Site
from erkt.scenes.texture import Field, stripes


def open_country(site: Site, free: Field | None) -> None:
    """Grass with clumps of trees and bushes, sometimes a track."""
    turf(site)
    if chance(site.rng, 0.4):
        reach = site.canvas.reach
        y = number(site.rng, -0.8, 0.8) * reach
        line = np.array([[-reach, y], [0.0, y * number(site.rng, 0.6, 1.0)], [reach, y]])
        road(site, line, number(site.rng, 3, 6), site.palette.soil * 1.08)
    grove(site, number(site.rng, 6, 11), number(site.rng, 0.0, 0.45), free, site.canvas.extent / 4)


def wooded(site: Site, free: Field | None) -> None:
    """Woods with a few clearings."""
    turf(site)
    grove(site, number(site.rng, 5.5, 8), number(site.rng, 0.7, 0.95), free, site.canvas.extent / 4)


def cropland(site: Site, free: Field | None, target: float = 0.0, elongation: float = 0.0) -> None:
    """Fields with rows, each in its own colour and direction, some with hedges between them.

    Args:
        site: The scene.
        free: Metres to the area of the class, negative inside it.
        target: Width of a field in metres; drawn if 0.
        elongation: Length of a field relative to its width; drawn if 0.
    """
    canvas, rng = site.canvas, site.rng
    reach = canvas.reach
    target = target or max(canvas.extent * number(rng, 0.16, 0.4), 40.0)
    areas = plots(rng, (-reach, -reach, reach, reach), target, elongation or number(rng, 0.6, 3.0))
    corner = np.array([[[a, b], [c, b], [c, d], [a, d]] for a, b, c, d in areas])
    bend = rng.uniform(-0.12, 0.12, 4)
    x, y = corner[..., 0], corner[..., 1]
    warped = np.stack(
        [x + bend[0] * y + bend[1] * y * y / reach, y + bend[2] * x + bend[3] * x * x / reach], axis=-1
    )
    # The red channel carries each field's number (two bytes are enough) while rows are being laid.
    number_ = np.arange(len(areas))
    canvas.fill(warped, np.stack([number_ % 256, number_ // 256, 0 * number_], axis=1))
    code = np.asarray(canvas.image, dtype=np.int32)
    field = np.minimum(code[..., 0] + 256 * code[..., 1], len(areas) - 1)
    family = np.concatenate([site.palette.crops, site.palette.grass[None], site.palette.soil[None]])
    tone = site.choose(family, len(areas), 0.12).astype(np.float32)
    angle = np.where(rng.doubles(len(areas)) < 0.5, 0.0, np.pi / 2) + rng.uniform(-0.1, 0.1, len(areas))
    across = [f(angle).astype(np.float32)[field] for f in (np.cos, np.sin)]
    least = 3.0 * canvas.extent / 128
    period = np.maximum(rng.uniform(0.6, 2.6, len(areas)) * least, 2.0).astype(np.float32)[field]
    depth = (rng.doubles(len(areas)) ** 2 * 0.17).astype(np.float32)[field]
    gx, gy = canvas.grid
    rows = stripes(gx * across[0] + gy * across[1], period) * depth
    canvas.paint(tone[field], 1 + rows + 0.07 * site.noise(canvas.extent / 5, 4) + 0.05 * site.grain)
    _hedges(site, warped, free)


def _hedges(site: Site, shapes: Points, free: Field | None) -> None:
    """Draw boundaries between fields: bare strips, and trees along some of them."""
    canvas, rng = site.canvas, site.rng
    style = pick(rng, ("none", "strip", "strip", "hedge"))
    if style == "none":
        return
    sides = np.stack([shapes[:, 0], shapes[:, 1], shapes[:, 1], shapes[:, 2]], axis=1).reshape(-1, 2, 2)
    colour = site.palette.soil * 1.05 if chance(rng, 0.5) else site.palette.grass * 0.85
    for side in sides:
        canvas.band(side, max(1.6, 1.0 / canvas.scale), colour)
    if style == "hedge":
        chosen = sides[rng.doubles(len(sides)) < 0.45]
        share = np.arange(0.0, 1.0, 7.0 / max(canvas.extent * 0.3, 30.0))[None, :, None]
        spots = (chosen[:, :1] + share * (chosen[:, 1:] - chosen[:, :1])).reshape(-1, 2)
        spots = spots + rng.uniform(-1.5, 1.5, *spots.shape)
        radii = rng.uniform(1.8, 4.2, len(spots))
        keep = canvas.visible(spots, 4.0)
        if free is not None:
            keep &= canvas.sample(free, spots) > 4
        trees(site, spots, np.where(keep, radii, 0.0))


def town(site: Site, free: Field | None, lot: float = 0.0, greenery: float = -1.0) -> None:
    """Streets with houses on both sides, gardens, cars.

    Args:
        site: The scene.
        free: Metres to the area of the class, negative inside it.
        lot: Metres of street a house takes; drawn if 0.
        greenery: Share of gardens under trees; drawn if negative.
    """
    rng, reach = site.rng, site.canvas.reach
    turf(site)
    lot = lot or number(rng, 12, 24)
    depth = lot * number(rng, 1.0, 1.35) + 4
    bend = number(rng, -1.0, 1.0) * chance(rng, 0.5) * 0.25 / reach
    street = number(rng, 4.5, 7.0)
    pitch = 2 * depth + street
    kerb = number(rng, 0.0, 1.5)
    surface = site.palette.asphalt if chance(rng, 0.75) else site.palette.concrete * 0.9
    xs = np.linspace(-reach, reach, 13)
    rows = np.arange(-reach - pitch, reach + pitch, pitch) + number(rng, 0, pitch)
    cross = np.arange(-reach, reach, number(rng, 80, 170)) + number(rng, 0, 80)
    for x in cross:
        road(site, np.array([[x, -reach * 1.2], [x, reach * 1.2]]), street, surface, kerb)
    lots: list[Points] = []
    for y in rows:
        line = np.stack([xs, y + bend * xs**2], axis=1)
        road(site, line, street, surface, kerb)
        traffic(site, line, street / 2 - 1.2, 8.0, 0.16)
        for side in (-1, 1):
            x = np.arange(-reach, reach, lot) + number(rng, 0, lot)
            lots.append(np.stack([x, y + bend * x**2 + side * (street / 2 + depth * 0.5)], axis=1))
    centres = np.concatenate(lots)
    clear = np.abs(centres[:, 0, None] - cross).min(axis=1) > street / 2 + lot * 0.45
    _dwellings(site, centres[clear], bend, lot, depth, free, greenery)


def _dwellings(
    site: Site, centres: Points, bend: float, lot: float, depth: float, free: Field | None, greenery: float
) -> None:
    """Put a house and garden trees on every lot of ``town``."""
    canvas, rng = site.canvas, site.rng
    keep = canvas.visible(centres, depth) & (rng.doubles(len(centres)) < 0.96)
    if free is not None:
        keep &= canvas.sample(free, centres) > 0.5 * depth
    amount = len(centres)
    angles = np.arctan(2 * bend * centres[:, 0]) + np.pi / 2 * (rng.doubles(amount) < 0.2)
    green = number(rng, 0.05, 0.5) if greenery < 0 else greenery
    gardens = centres + rng.uniform(-0.5, 0.5, amount, 2) * np.array([lot, depth * 1.1])
    crowns = rng.uniform(1.8, 4.0, amount) * (rng.doubles(amount) < 1.6 * green)
    length = lot * rng.uniform(0.66, 0.88, amount) * keep
    width = np.minimum(depth * rng.uniform(0.46, 0.66, amount), lot * 0.75)
    roofs = site.choose(site.palette.roofs, amount)
    spots = centres + rng.uniform(-1, 1, amount, 2) * np.array([0.06 * lot, 0.08 * depth])
    if chance(rng, 0.25):
        flat_roofs(site, spots, angles, length, width, roofs, number(rng, 4, 9))
    else:
        houses(site, spots, angles, length, width, roofs)
    trees(site, gardens, crowns * keep)


def works(site: Site, free: Field | None) -> None:
    """Paved yards with halls, as at the edge of a town."""
    canvas, rng = site.canvas, site.rng
    paving = site.palette.concrete * 0.9 if chance(rng, 0.5) else site.palette.asphalt
    turf(site, 0.6)
    canvas.paint(
        paving, 1 + 0.08 * site.noise(40, 3) + 0.05 * site.grain, site.noise(canvas.extent / 2, 2) > -0.35
    )
    centres = scatter(rng, canvas.reach, number(rng, 55, 85), 0.25)
    keep = canvas.visible(centres, 30.0) & (rng.doubles(len(centres)) < 0.75)
    clear = keep if free is None else keep & (canvas.sample(free, centres) > 30)
    for (x, y), stands in zip(centres[keep], clear[keep], strict=True):
        spot = site.fork()
        if not stands:
            continue
        length, width = spot.rng.uniform(22, 46, 2)
        hall(
            spot,
            (float(x), float(y)),
            0.0,
            float(length),
            float(width),
            spot.choose(site.palette.roofs, 1)[0],
        )


def barren(site: Site, free: Field | None) -> None:
    """Bare ground with scattered bushes and wheel tracks."""
    turf(site, number(site.rng, 0.75, 1.1))
    reach = site.canvas.reach
    for _ in range(count(site.rng, 0, 2)):
        y = site.rng.uniform(-reach, reach, 3)
        road(site, np.stack([np.array([-reach, 0.0, reach]), y], axis=1), 2.5, site.palette.soil * 1.12)
    grove(site, number(site.rng, 8, 14), number(site.rng, 0.0, 0.25), free, site.canvas.extent / 6)


COUNTRY = (open_country, open_country, wooded, cropland, town, works, barren)
GREEN = (open_country, open_country, wooded, cropland, barren)


def surround(site: Site, free: Field | None, rural: bool = False) -> None:
    """Cover the canvas with a kind of country drawn at random."""
    pick(site.rng, GREEN if rural else COUNTRY)(site, free)


def pool(site: Site, centre: tuple[float, float], angle: float) -> None:
    """Draw a swimming pool with its paved rim."""
    size = site.rng.uniform(4, 9, 2)
    site.canvas.fill(boxes([centre], angle, size[0] + 3, size[1] + 3), site.palette.concrete)
    site.canvas.fill(boxes([centre], angle, size[0], size[1]), (88, 172, 196))
