"""Beach, harbour, pond, river."""

import numpy as np

from erkt.scenes.draws import chance, count, number
from erkt.scenes.geometry import Points, boxes
from erkt.scenes.plants import grove
from erkt.scenes.roads import road, traffic
from erkt.scenes.site import Site
from erkt.scenes.surroundings import surround, works
from erkt.scenes.texture import Field, ramp, stripes
from erkt.scenes.vehicles import CONTAINERS, boats, ship
from erkt.scenes.water import beside, blob, course, fill_water, rectangle, swell


def beach(site: Site) -> None:
    """Sea with surf along a shore, wet and dry sand, country or a promenade behind."""
    canvas, rng = site.canvas, site.rng
    extent, reach = canvas.extent, canvas.reach
    shore = course(
        site,
        number(rng, 0.01, 0.07) * extent,
        number(rng, 0.8, 2.0) * extent,
        0.0,
        number(rng, -0.25, 0.25) * extent,
    )
    away = beside(site, shore)
    field = away + site.noise(25, 3) * np.float32(1.5)
    width = extent * number(rng, 0.1, 0.42)
    back = away - np.float32(width) + site.noise(extent / 6, 3) * np.float32(0.02 * extent)
    surround(site, back - 6)
    sand, grain = site.palette.sand, 1 + 0.05 * site.noise(extent / 4, 4) + 0.05 * site.grain
    canvas.paint(sand, grain, ramp(-back, -0.02 * extent, 0.02 * extent) * (back < 20))
    if chance(rng, 0.35):
        road(site, shore.line + np.array([0.0, width * 1.05]), 7.0, site.palette.asphalt, 2.0)
    fill_water(site, field, 0.0, extent * number(rng, 0.15, 0.5))
    wet = extent * number(rng, 0.015, 0.05)
    canvas.paint(sand * 0.72, grain, ramp(-field, -wet, 0.0) * (field > 0) * np.float32(0.85))
    if chance(rng, 0.7):
        swell(site, field, number(rng, 0.05, 0.25))
    _surf(site, field, extent * number(rng, 0.025, 0.08))
    canvas.flatten(field < 0)
    _bathers(site, shore.line, width)
    if chance(rng, 0.25):
        for x in np.arange(-reach, reach, number(rng, 40, 80)):
            y = np.interp(x, *shore.line.T)
            canvas.fill(
                boxes([[x, y - 0.04 * extent]], np.pi / 2, 0.16 * extent, 3), site.palette.concrete * 0.6, 2.0
            )


def _surf(site: Site, field: Field, spacing: float) -> None:
    """Draw a few lines of foam parallel to the shore, brighter and denser the nearer they are."""
    rng = site.rng
    rows = count(rng, 1, 4)
    swing = field + site.noise(90, 3) * np.float32(0.45 * spacing)
    crest = ramp(stripes(swing, spacing) + 0.7 * site.noise(40, 3) + 0.3 * site.grain, 0.35, 1.1)
    fading = ramp(field, -spacing * (rows + 0.3), -0.2 * spacing) * ramp(-field, 0.0, 0.15 * spacing)
    site.canvas.paint((240, 243, 242), None, crest * fading * np.float32(number(rng, 0.7, 1.0)))
    edge = ramp(-np.abs(field + np.float32(0.1 * spacing)), -0.16 * spacing, 0.0)
    site.canvas.paint((240, 243, 242), None, edge * np.float32(number(rng, 0.3, 0.9)))


def _bathers(site: Site, line: Points, width: float) -> None:
    """Scatter parasols over the sand, in rows at organised beaches."""
    rng = site.rng
    if chance(rng, 0.5):
        return
    pitch = number(rng, 5, 9)
    x = np.arange(-site.canvas.reach, site.canvas.reach, pitch)
    rows = width * (0.25 + 0.12 * np.arange(count(rng, 1, 5)))
    spots = np.stack(
        [np.tile(x, len(rows)), np.tile(np.interp(x, *line.T), len(rows)) + np.repeat(rows, len(x))], axis=1
    )
    spots = spots + rng.uniform(-1, 1, *spots.shape) * pitch * number(rng, 0.05, 0.7)
    spots = spots[rng.doubles(len(spots)) < number(rng, 0.2, 0.8)]
    tones = np.array([[224, 80, 70], [70, 120, 190], [240, 236, 226], [236, 190, 80], [90, 160, 120]]) * 1.0
    site.canvas.discs(spots, 1.4, site.choose(tones, len(spots)), 2.2)


def pond(site: Site) -> None:
    """A still water of irregular outline, or a group of rectangular fish ponds, in any country."""
    canvas, rng = site.canvas, site.rng
    extent = canvas.extent
    if chance(rng, 0.25):
        field = _fish_ponds(site)
    else:
        middle = rng.uniform(-0.1, 0.1, 2) * extent
        size = extent * number(rng, 0.15, 0.27)
        field = blob(
            site, (float(middle[0]), float(middle[1])), size, count(rng, 1, 4), number(rng, 0.06, 0.25)
        )
    surround(site, field - 4)
    if chance(rng, 0.3):
        tilt, shift = number(rng, -0.2, 0.2), number(rng, 0.3, 0.48) * extent
        surface = site.palette.asphalt if chance(rng, 0.5) else site.palette.soil
        road(site, course(site, 0.05 * extent, 1.2 * extent, tilt, shift).line, number(rng, 3, 7), surface)
    fill_water(site, field, extent * number(rng, 0.01, 0.045), extent * number(rng, 0.04, 0.2))
    canvas.flatten(field < 0)
    if chance(rng, 0.75):
        ring = np.minimum(field - 1, np.float32(0.08 * extent) - field)
        grove(site, number(rng, 5, 8), number(rng, 0.3, 0.8), ring, extent / 6)
    _still_water(site, field)


def _still_water(site: Site, field: Field) -> None:
    """Lay water plants along the shore of a pond, and a landing stage with a rowing boat."""
    canvas, rng = site.canvas, site.rng
    extent = canvas.extent
    if chance(rng, 0.6):
        spread = ramp(field, -extent * number(rng, 0.03, 0.1), 0.0) * (field < 0)
        pads = ramp(site.noise(9, 2) + site.noise(extent / 5, 2) + 1.6 * spread, 1.15, 1.45) * (field < 0)
        green = site.palette.foliage[1] * 0.5 + np.array([60.0, 80.0, 30.0])
        canvas.paint(green, 1 + 0.12 * site.grain, pads * np.float32(0.9))
    angle = number(rng, 0, 2 * np.pi)
    ray = np.linspace(0.0, 0.6, 200)[:, None] * extent * np.array([np.cos(angle), np.sin(angle)])
    shore = ray[int(np.argmax(canvas.sample(field, ray) > 0))]
    stage, size = chance(rng, 0.5), number(rng, 9, 16)
    if stage and float(np.hypot(*shore)) > size:
        inward = -np.array([np.cos(angle), np.sin(angle)])
        canvas.band(
            np.stack([shore - 2 * inward, shore + size * inward]), 2.2, site.palette.concrete * 0.85, 1.0
        )
        aside = np.array([-inward[1], inward[0]])
        boats(site, (shore + 0.8 * size * inward + 3 * aside)[None], angle, 5.5)


def _fish_ponds(site: Site) -> Field:
    """Return the distance field of a few rectangular ponds with dams between them."""
    rng, extent = site.rng, site.canvas.extent
    length, width = extent * number(rng, 0.16, 0.34), extent * number(rng, 0.1, 0.22)
    dam = extent * number(rng, 0.015, 0.04)
    columns, rows = count(rng, 1, 3), count(rng, 1, 3)
    field = np.full((site.canvas.size, site.canvas.size), np.inf, dtype=np.float32)
    for column in range(columns):
        for row in range(rows):
            x = (column - columns / 2) * (length + dam)
            y = (row - rows / 2) * (width + dam)
            field = np.minimum(field, rectangle(site, x, y, x + length, y + width))
    return field + site.noise(20, 2) * np.float32(0.8)


def river(site: Site) -> None:
    """A river from edge to edge, with banks, bars, islands, now and then a bridge or a boat."""
    canvas, rng = site.canvas, site.rng
    extent, reach = canvas.extent, canvas.reach
    width = extent * number(rng, 0.1, 0.32)
    bends = number(rng, 0.02, 0.16) * extent
    path = course(site, bends, number(rng, 0.9, 2.0) * extent, 0.0, number(rng, -0.12, 0.12) * extent)
    swing = site.noise(extent / 3, 3) * np.float32(width * number(rng, 0.05, 0.25))
    away = beside(site, path)
    field: Field = np.abs(away) - np.float32(width / 2) + swing
    if chance(rng, 0.3):
        spot = path.line[count(rng, 20, 44)]
        island = blob(site, (float(spot[0]), float(spot[1])), width * number(rng, 0.3, 0.6), 3, 0.2)
        field = np.maximum(field, -island)
    surround(site, field - 5)
    if chance(rng, 0.4):
        nearness = (np.abs(field) / (0.06 * extent)).astype(np.float32)
        bar = ramp(site.noise(extent / 4, 3) - nearness, 0.1, 0.3)
        canvas.paint(site.palette.sand, 1 + 0.05 * site.grain, bar)
        field = field + bar * np.float32(0.02 * extent)
    fill_water(site, field, number(rng, 1.0, 9.0), width * number(rng, 0.2, 0.6))
    _current(site, away, field, width)
    canvas.flatten(field < 0)
    if chance(rng, 0.6):
        ring = np.minimum(field - 1, 12 - field)
        grove(site, number(rng, 5, 8), number(rng, 0.3, 0.8), ring, extent / 6)
    if chance(rng, 0.3):
        x = number(rng, -0.3, 0.3) * extent
        line = np.array([[x, -reach], [x + number(rng, -0.1, 0.1) * extent, reach]])
        road(site, line, number(rng, 7, 11), site.palette.asphalt, 1.5, True, 4.0)
        traffic(site, line, 2.0, 12.0, 0.3)
    if chance(rng, 0.35):
        spots = path.line[8 + site.rng.integers(48, count(rng, 1, 3))]
        boats(site, spots, rng.uniform(-0.3, 0.3, len(spots)), rng.uniform(8, 18, len(spots)))


def _current(site: Site, away: Field, field: Field, width: float) -> None:
    """Lay faint streaks along a river, its middle where ``away`` is 0, its water where ``field`` < 0."""
    rng, extent = site.rng, site.canvas.extent
    bent = away + site.noise(extent / 2, 2) * np.float32(0.2 * width)
    lanes = stripes(bent, width * number(rng, 0.12, 0.3)) + site.noise(extent / 5, 3)
    streaks = ramp(lanes, 0.3, 1.5) * np.float32(number(rng, 0.05, 0.22))
    site.canvas.paint(site.palette.water * 0.5 + 120, None, streaks * (field < -0.06 * width))


def harbour(site: Site) -> None:
    """Quays with boats at piers, or with ships, containers and cranes."""
    canvas, rng = site.canvas, site.rng
    extent = canvas.extent
    quay = number(rng, -0.1, 0.3) * extent
    x, y = canvas.grid
    field = y - np.float32(quay)
    left = -canvas.reach
    if chance(rng, 0.4):
        left = number(rng, -0.4, -0.15) * extent
        field = np.maximum(field, np.float32(left) - x)
    apron, marina = number(rng, 8, 24), chance(rng, 0.68)
    free = field - np.float32(8 if marina else apron + 66)
    (works if chance(rng, 0.35) else surround)(site, free)
    paving = site.palette.concrete * 0.92 if chance(rng, 0.6) else site.palette.asphalt
    canvas.paint(paving, 1 + 0.05 * site.grain, field < apron)
    fill_water(site, field, 0.0, extent * 0.3)
    canvas.flatten(field < 0)
    canvas.band(np.array([[left, quay], [canvas.reach, quay]]), 1.5, site.palette.concrete * 1.05)
    if chance(rng, 0.5):
        swell(site, field, number(rng, 0.03, 0.12))
    if marina:
        _marina(site, left, quay)
    else:
        _docks(site, left, quay, apron)


def _marina(site: Site, left: float, quay: float) -> None:
    """Draw piers that stand out from the quay, boats moored across them."""
    canvas, rng = site.canvas, site.rng
    size = number(rng, 7, 15)
    pitch, reach = 2 * size + number(rng, 8, 22), canvas.extent * number(rng, 0.25, 0.75)
    plank = site.palette.concrete * number(rng, 0.8, 1.0)
    for x in np.arange(left + number(rng, 0.5, 1) * pitch, canvas.reach, pitch):
        length = reach * number(rng, 0.7, 1.0)
        line = np.array([[x, quay], [x, quay - length]])
        canvas.band(line, 2.6, plank, 1.0)
        berth = size * 0.42
        y = quay - np.arange(berth, length - berth / 2, berth)
        for side in (-1.0, 1.0):
            taken = rng.doubles(len(y)) < number(rng, 0.4, 0.98)
            lengths = size * rng.uniform(0.65, 1.0, len(y))
            spots = np.stack([x + side * (1.8 + lengths / 2), y], axis=1)[taken]
            boats(site, spots, (0.0 if side > 0 else np.pi) + np.pi * chance(rng, 0.3), lengths[taken])
    loose = np.stack([rng.uniform(left, canvas.reach, 5), quay - reach * rng.uniform(1.05, 1.6, 5)], axis=1)
    boats(site, loose, rng.uniform(0, 2 * np.pi, 5), size * rng.uniform(0.6, 1.2, 5))


def _docks(site: Site, left: float, quay: float, apron: float) -> None:
    """Draw ships along the quay, stacks of containers and cranes on it."""
    canvas, rng = site.canvas, site.rng
    x = left + number(rng, 5, 30)
    while x < canvas.reach:
        length = number(rng, 60, 130)
        direction = np.pi * chance(rng, 0.5)
        ship(site, (x + length / 2, quay - length * 0.09 - 3), direction, length)
        x += length + number(rng, 10, 60)
    stacks = np.stack(
        np.meshgrid(np.arange(left, canvas.reach, 14.0), quay + apron + 4 + 5.0 * np.arange(12)), axis=-1
    )
    spots = stacks.reshape(-1, 2)
    spots = spots[canvas.visible(spots, 10) & (rng.doubles(len(spots)) < number(rng, 0.3, 0.9))]
    canvas.fill(boxes(spots, 0.0, 12.4, 2.6 * 1.6), site.choose(CONTAINERS * 1.0, len(spots)), 5.0)
    for place_ in np.arange(left + 20, canvas.reach, number(rng, 50, 110)):
        boom = np.array([[place_, quay + apron * 0.9], [place_, quay - 26]])
        canvas.band(boom, 2.4, (206, 120, 60), 24.0)
        canvas.fill(boxes([[place_, quay + apron * 0.4]], 0.0, 9, 12), (190, 110, 60), 14.0)
    if chance(rng, 0.4):
        boats(site, np.array([[0.1 * canvas.extent, quay - 0.4 * canvas.extent]]), number(rng, 0, 6.0), 18.0)
