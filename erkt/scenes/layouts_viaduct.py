"""Viaduct."""

import numpy as np

from erkt.scenes.draws import chance, count, number, pick
from erkt.scenes.geometry import Points, arc, smooth
from erkt.scenes.plants import grove
from erkt.scenes.roads import dashes, road, traffic
from erkt.scenes.site import Site
from erkt.scenes.surroundings import surround
from erkt.scenes.water import fill_water


def viaduct(site: Site) -> None:
    """An elevated road that crosses another road, a railway or a river, often with ramps."""
    canvas, rng, extent = site.canvas, site.rng, site.canvas.extent
    lanes = count(rng, 2, 4)
    width = lanes * 2 * 3.6 + 4
    bow = number(rng, -0.12, 0.12) * extent
    along = np.linspace(-1.2, 1.2, 25) * canvas.reach
    main = np.stack([along, bow * (along / canvas.reach) ** 2], axis=1)
    lean = number(rng, -0.3, 0.3)
    crossing = np.stack([lean * along, along * 1.1], axis=1)
    ramps = _ramps(site, width) if chance(rng, 0.65) else []
    near = canvas.near([main, crossing, *ramps], width + 14)
    surround(site, np.where(near, np.float32(-5), np.float32(30)))
    verge = site.palette.grass if chance(rng, 0.6) else site.palette.soil
    canvas.flatten(near)
    canvas.paint(verge, 1 + 0.08 * site.noise(extent / 4, 3) + 0.06 * site.grain, near)
    kind = pick(rng, ("road", "road", "road", "rail", "water"))
    if kind == "water":
        middle = canvas.grid[0] - np.float32(lean) * canvas.grid[1]
        swing = site.noise(extent / 3, 3) * np.float32(0.02 * extent)
        stream = np.abs(middle) + swing - np.float32(extent * number(rng, 0.08, 0.16))
        fill_water(site, stream, 4.0)
        canvas.flatten(stream < 0)
    elif kind == "rail":
        _railway(site, crossing)
    else:
        _carriageway(site, crossing, count(rng, 1, 3), 0.0)
    clear = np.where(canvas.near([main, crossing, *ramps], width + 6), np.float32(-9), np.float32(30))
    grove(site, 8, number(rng, 0.05, 0.35), clear, extent / 6)
    for ramp in ramps:
        road(site, ramp, 8.5, site.palette.asphalt * 1.04, 0.8, False, 4.0)
        traffic(site, ramp, -1.5, 14, 0.2, 0.1)
    _carriageway(site, main, lanes, number(rng, 8.0, 14.0))
    if chance(rng, 0.3):
        second = np.stack([along, 0.5 * along * (1 if chance(rng, 0.5) else -1) + bow], axis=1)
        _carriageway(site, second, count(rng, 1, 2), 18.0)


def _railway(site: Site, line: Points) -> None:
    """Draw two tracks on a bed of ballast."""
    site.canvas.band(line, 14, site.palette.soil * 0.8)
    for offset in (-4.8, -3.2, 3.2, 4.8):
        site.canvas.band(line, max(0.3, 0.8 / site.canvas.scale), (196, 190, 184), None, offset)


def _ramps(site: Site, width: float) -> list[Points]:
    """Return loops and slips that link the two roads of an interchange."""
    rng, extent = site.rng, site.canvas.extent
    ramps = []
    for right, up in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        size, kind = extent * number(rng, 0.09, 0.15), pick(rng, ("loop", "loop", "slip", "slip", "none"))
        corner = np.array([right, up])
        if kind == "loop":
            x, y = corner * (size + width * 0.3)
            start = float(np.arctan2(up, right))
            ramps.append(arc((float(x), float(y)), size, start - 2.4, start + 2.4, 30))
        if kind in ("slip", "loop"):
            far = extent * number(rng, 0.4, 0.55)
            knots = [
                [1.3 * far, 0.3 * width],
                [0.75 * far, 0.25 * far],
                [0.25 * far, 0.75 * far],
                [0.3 * width, 1.3 * far],
            ]
            ramps.append(smooth(np.array(knots) * corner, 8))
    return ramps


def _carriageway(site: Site, line: Points, lanes: int, height: float) -> None:
    """Draw a dual carriageway with ``lanes`` lanes each way, ``height`` metres above ground."""
    canvas, rng, lane = site.canvas, site.rng, 3.6
    width = lanes * 2 * lane + 4
    raised = height if height > 0 else None
    canvas.band(line, width + 2.2, site.palette.concrete * 1.02, None if raised is None else height + 1.0)
    canvas.band(line, width, site.palette.asphalt * (1.0 if height else 0.94), raised)
    canvas.band(line, 1.6, site.palette.concrete if chance(rng, 0.6) else site.palette.grass, raised)
    density = number(rng, 0.1, 0.4)
    for side in (-1, 1):
        canvas.band(line, 0.5 / canvas.scale, site.palette.marking * 0.9, None, side * (width / 2 - 0.7))
        for index in range(1, lanes):
            dashes(site, line, side * (1.2 + lane * index), 0.4, 12)
        for index in range(lanes):
            traffic(site, line, side * (1.2 + lane * (index + 0.5)), 16, density, 0.15)
