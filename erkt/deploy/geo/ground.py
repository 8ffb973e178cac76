"""How many metres of ground a pixel shows, whatever the coordinates are."""

import math

import rasterio.warp
from rasterio.crs import CRS
from rasterio.transform import Affine

_AXIS, _FLATTENING = 6378137.0, 1 / 298.257223563  # WGS 84
_STEP = 8
"""Pixels on either side of the raster's middle over which the distance is taken."""


def metres_a_pixel(crs: CRS, transform: Affine, width: int, height: int) -> tuple[float, float] | None:
    """Return the metres of a pixel's width and height on the ground, at the middle of the raster.

    Coordinates are taken to degrees, so that the scale of a projection (Web Mercator's is 1.6 at 50 degrees)
    does not count as ground. None where the CRS says nothing of the earth.
    """
    ends = [(-_STEP, 0), (_STEP, 0), (0, -_STEP), (0, _STEP)]
    pixels = [(width / 2 + x, height / 2 + y) for x, y in ends]
    a, b, c, d, e, f, *_ = transform
    points = [(a * x + b * y + c, d * x + e * y + f) for x, y in pixels]
    try:
        found = rasterio.warp.transform(crs, CRS.from_epsg(4326), *zip(*points, strict=True))
    except Exception:  # noqa: BLE001  # GDAL's own errors, as of a grid of a building site, have no public name
        return None
    west, east, north, south = zip(found[0], found[1], strict=True)
    across, down = _metres(west, east) / (2 * _STEP), _metres(north, south) / (2 * _STEP)
    usable = all(math.isfinite(size) and size > 0 for size in (across, down))
    return (across, down) if usable else None


def _metres(start: tuple[float, float], end: tuple[float, float]) -> float:
    """Return the distance of two near points (longitude, latitude) in degrees, on the ellipsoid.

    By the radii of curvature along the meridian and across it, at the mean latitude.
    """
    latitude = math.radians((start[1] + end[1]) / 2)
    squared = _FLATTENING * (2 - _FLATTENING)
    root = math.sqrt(1 - squared * math.sin(latitude) ** 2)
    east = math.remainder(end[0] - start[0], 360)
    x = math.radians(east) * _AXIS / root * math.cos(latitude)
    y = math.radians(end[1] - start[1]) * _AXIS * (1 - squared) / root**3
    return math.hypot(x, y)
