"""Industrial area, parking lot, storage tanks."""

import numpy as np

from erkt.scenes.buildings import flat_roofs, hall, tanks
from erkt.scenes.draws import chance, count, number
from erkt.scenes.geometry import boxes, plots
from erkt.scenes.plants import grove, trees, turf
from erkt.scenes.roads import bays, road, traffic
from erkt.scenes.site import Site
from erkt.scenes.surroundings import surround
from erkt.scenes.vehicles import CONTAINERS, lorries
from erkt.scenes.water import rectangle


def industrial(site: Site) -> None:
    """Large halls close together, yards with lorries and containers, car parks, a tank or two."""
    canvas, rng = site.canvas, site.rng
    reach = canvas.reach
    turf(site, number(rng, 0.2, 1.0))
    areas = plots(
        rng, (-reach, -reach, reach, reach), canvas.extent * number(rng, 0.22, 0.4), number(rng, 0.6, 1.4)
    )
    gap = number(rng, 7, 13)
    road_tone = site.palette.asphalt
    for left, bottom, right, top in areas:
        middle = np.array([[(left + right) / 2, (bottom + top) / 2]])
        length, width = right - left, top - bottom
        canvas.fill(boxes(middle, 0.0, length, width), road_tone)
        yard = (
            site.palette.concrete * number(rng, 0.75, 1.0) if chance(rng, 0.6) else site.palette.asphalt * 1.1
        )
        ground = site.palette.grass if chance(rng, 0.18) else yard
        canvas.fill(boxes(middle, 0.0, length - gap, width - gap), ground)
    for area in areas:
        if canvas.visible(np.array([[(area[0] + area[2]) / 2, (area[1] + area[3]) / 2]]), canvas.extent / 4)[
            0
        ]:
            _factory(site, area[0] + gap, area[1] + gap, area[2] - gap, area[3] - gap)
    grove(
        site,
        7,
        number(rng, 0.0, 0.15),
        None if len(areas) == 0 else -np.asarray(canvas.relief, np.float32) + 4,
    )


def _factory(site: Site, left: float, bottom: float, right: float, top: float) -> None:
    """Draw what stands on one industrial plot."""
    rng, canvas = site.rng, site.canvas
    if right - left < 15 or top - bottom < 15:
        return
    share = number(rng, 0.5, 0.95)
    along_x = chance(rng, 0.5)
    edge_x = left + (right - left) * (share if along_x else 1.0)
    edge_y = bottom + (top - bottom) * (1.0 if along_x else share)
    length, width = edge_x - left, edge_y - bottom
    middle = ((left + edge_x) / 2, (bottom + edge_y) / 2)
    roof = site.choose(site.palette.roofs, 1)[0]
    if chance(rng, 0.85):
        hall(site, middle, 0.0, length, width, roof)
        if chance(rng, 0.35):
            annex = np.array([[middle[0] + length * number(rng, -0.3, 0.3), middle[1]]])
            flat_roofs(site, annex, 0.0, length * 0.3, width * 0.5, roof[None] * 0.9, 14.0)
    else:
        radii = rng.uniform(4, 8, count(rng, 1, 4))
        spots = np.array(middle) + rng.uniform(-0.4, 0.4, len(radii), 2) * np.array([length, width])
        tanks(site, spots, radii, np.full((len(radii), 3), 214.0))
    yard = (edge_x, bottom, right, top) if along_x else (left, edge_y, right, top)
    size = np.array([yard[2] - yard[0], yard[3] - yard[1]])
    if size.min() < 8:
        return
    if chance(rng, 0.4):
        angle = np.pi / 2 if along_x else 0.0
        start = (yard[0] + 1 + 5.4 * along_x, yard[1] + 1)
        bays(site, start, angle, float(size.max()) - 2, number(rng, 0.3, 0.95), False)
        return
    spots = np.array(yard[:2]) + 4 + rng.doubles(6, 2) * np.maximum(size - 8, 1)
    lorries(site, spots[:3], np.pi / 2 if along_x else 0.0)
    canvas.fill(boxes(spots[3:], np.pi / 2 * along_x, 6.1, 2.5), site.choose(CONTAINERS * 1.0, 3), 2.6)


def parking(site: Site) -> None:
    """Rows of bays full of cars, aisles, islands with trees; a shop at one side."""
    canvas, rng = site.canvas, site.rng
    extent = canvas.extent
    half_x, half_y = (extent * value for value in rng.uniform(0.32, 0.75, 2))
    shift = rng.uniform(-0.12, 0.12, 2) * extent
    lot = rectangle(site, shift[0] - half_x, shift[1] - half_y, shift[0] + half_x, shift[1] + half_y)
    surround(site, lot - 4)
    tone = site.palette.asphalt if chance(rng, 0.7) else site.palette.concrete * 0.9
    canvas.flatten(lot < 3)
    canvas.paint(site.palette.concrete, None, lot < 1.5)
    canvas.paint(tone, 1 + 0.05 * site.noise(extent / 3, 4) + 0.05 * site.grain, lot < 0)
    aisle = number(rng, 6, 8)
    taken = number(rng, 0.25, 0.98)
    planted = chance(rng, 0.45)
    rows = np.arange(shift[1] - half_y + 6, shift[1] + half_y - 6, 10.4 + aisle)
    block = number(rng, 40, 90)
    shop = chance(rng, 0.35)
    for row in rows:
        if shop and row < rows[0] + 0.3 * half_y:
            continue
        for left in np.arange(shift[0] - half_x + 4, shift[0] + half_x - 8, block):
            length = min(block - 7, shift[0] + half_x - 4 - left)
            bays(site, (float(left), float(row)), 0.0, length, taken * number(rng, 0.7, 1.0), True)
            if planted:
                ends = np.array([[left - 1.6, row], [left + length + 1.2, row]])
                canvas.fill(boxes(ends, 0.0, 2.4, 9.5), site.palette.grass)
                spots = np.concatenate([ends + np.array([0, 2.5]), ends - np.array([0, 2.5])])
                trees(site, spots, rng.uniform(1.5, 2.6, 4))
    if shop:
        middle = (float(shift[0]), float(shift[1] - half_y * 0.85))
        hall(site, middle, 0.0, 1.5 * half_x, half_y * 0.42, site.choose(site.palette.roofs, 1)[0])


def storage_tanks(site: Site) -> None:
    """Round tanks in rows or in mixed sizes, with bunds, pipes and service roads."""
    canvas, rng = site.canvas, site.rng
    extent = canvas.extent
    half = rng.uniform(0.3, 0.7, 2) * extent
    yard = rectangle(site, -half[0], -half[1], half[0], half[1])
    surround(site, yard - 6)
    floor = site.palette.soil * 1.08 if chance(rng, 0.4) else site.palette.concrete * number(rng, 0.75, 0.98)
    canvas.flatten(yard < 4)
    canvas.paint(floor, 1 + 0.07 * site.noise(extent / 4, 4) + 0.05 * site.grain, yard < 2)
    pitch = extent * number(rng, 0.13, 0.36)
    columns, rows = max(int(2 * half[0] / pitch), 1), max(int(2 * half[1] / pitch), 1)
    grid = np.stack(
        np.meshgrid(np.arange(columns) - (columns - 1) / 2, np.arange(rows) - (rows - 1) / 2), axis=-1
    )
    centres = grid.reshape(-1, 2) * pitch
    centres = centres + rng.uniform(-1, 1, *centres.shape) * pitch * number(rng, 0.0, 0.07)
    same = chance(rng, 0.5)
    low = 0.42 if same else 0.2
    radii = pitch * rng.uniform(low, 0.45, len(centres)) * (0.9 if same else 1.0)
    keep = rng.doubles(len(centres)) < number(rng, 0.6, 1.0)
    keep[0] = True
    centres, radii = centres[keep], radii[keep]
    if chance(rng, 0.6):
        canvas.fill(boxes(centres, 0.0, pitch * 0.97, pitch * 0.97), site.palette.concrete * 0.8, 1.0)
        canvas.fill(boxes(centres, 0.0, pitch * 0.93, pitch * 0.93), floor * number(rng, 0.85, 1.05), 0.0)
    pipes = np.unique(centres[:, 1])[:6]
    for y in pipes:
        line = np.array([[-half[0], y + pitch / 2], [half[0], y + pitch / 2]])
        if chance(rng, 0.5):
            road(site, line, 5, site.palette.asphalt)
            traffic(site, line, 1.0, 20, 0.1, 0.5)
        else:
            canvas.band(line, 1.6, site.palette.concrete * 1.05, 1.0)
    family = np.array([[232.0, 232, 228], [206, 204, 198], [170, 170, 168], [204, 208, 196], [188, 198, 204]])
    tanks(site, centres, radii, site.choose(family[rng.permutation(5)[: count(rng, 1, 2)]], len(radii), 0.05))
