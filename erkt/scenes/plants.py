"""Grass, bare soil and trees."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from erkt.scenes.draws import number
from erkt.scenes.geometry import Points, scatter
from erkt.scenes.site import Site
from erkt.scenes.texture import Field, ramp

HEIGHT_STEP = 1 / 16  # metres between two crown heights that can be told apart


def turf(site: Site, wear: float | None = None) -> None:
    """Cover the whole canvas with grass in which bare soil shows.

    Args:
        site: The scene.
        wear: Share of bare soil, roughly, in [0, 1]; drawn if None.
    """
    share = number(site.rng, 0.0, 0.55) if wear is None else wear
    patches = site.noise(site.canvas.extent / 3, 4)
    bare = ramp(patches + 0.35 * site.grain, 1.1 - 1.8 * share, 1.9 - 1.8 * share)[:, :, None] * np.float32(
        0.8
    )
    tone = site.palette.grass.astype(np.float32) * (1 - bare) + site.palette.soil.astype(np.float32) * bare
    site.canvas.paint(tone, 1 + 0.11 * patches[::-1] + 0.06 * site.grain)


def _crowns(
    site: Site, centres: Points, radii: NDArray[np.float64], tints: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the canopy seen from above, (size, size): height in steps times 256 plus the tree's tint.

    A crown is a paraboloid whose rim is frayed by noise; where crowns meet, the higher one is seen.
    """
    canvas = site.canvas
    canopy = np.zeros(canvas.size * canvas.size, dtype=np.int64)
    middle, radius = canvas.pixels(centres), np.maximum(radii * canvas.scale, 1.0)
    order = np.argsort(radius, kind="stable")
    for group in np.array_split(order, 4 if len(order) > 40 else 1):
        if len(group) == 0:
            continue
        reach = int(np.ceil(radius[group].max()))
        axis = np.arange(-reach, reach + 1)
        near = np.floor(middle[group]).astype(np.int64)
        column, row = near[:, 0, None] + axis, near[:, 1, None] + axis
        dx2 = (column + 0.5 - middle[group, 0, None]) ** 2
        dy2 = (row + 0.5 - middle[group, 1, None]) ** 2
        inverse = (1 / radius[group] ** 2)[:, None, None]
        rise = 1.0 - (dy2[:, :, None] + dx2[:, None, :]) * inverse
        valid = ((row >= 0) & (row < canvas.size))[:, :, None] & ((column >= 0) & (column < canvas.size))[
            :, None, :
        ]
        valid &= rise > 0
        tree, down, across = np.nonzero(valid)
        index = row[tree, down] * canvas.size + column[tree, across]
        rise = rise[tree, down, across] - 0.3 * np.abs(site.grain.ravel()[index])
        height = np.maximum(radii[group][tree] * (0.6 + 1.2 * rise), 0.0) * (rise > 0)
        code = (height / HEIGHT_STEP).astype(np.int64) * 256 + tints[group][tree]
        np.maximum.at(canopy, index, code)
    return canopy.reshape(canvas.size, canvas.size)


def _hillshade(site: Site, height: Field) -> Field:
    """Return how much more (or less, down to -1) light than flat ground a surface takes, (size, size)."""
    canvas = site.canvas
    angle = canvas.turn
    east, north = canvas.sunward
    sun_x, sun_y = east * np.cos(angle) - north * np.sin(angle), east * np.sin(angle) + north * np.cos(angle)
    slope = np.zeros_like(height)
    slope[1:-1, 1:-1] = (height[1:-1, :-2] - height[1:-1, 2:]) * np.float32(sun_x)
    slope[1:-1, 1:-1] += (height[:-2, 1:-1] - height[2:, 1:-1]) * np.float32(sun_y)
    shade: Field = np.clip(slope * np.float32(canvas.scale * 0.3), -1, 1)
    return shade


def trees(site: Site, centres: Points, radii: ArrayLike, foliage: NDArray[np.float64] | None = None) -> None:
    """Plant trees; they stand above what is drawn before and throw shadows.

    Args:
        site: The scene.
        centres: (N, 2) metres.
        radii: Crown radii in metres, one or (N,); trees of radius 0 are left out.
        foliage: The darkest and the lightest tone (2, 3); the palette's if None.
    """
    canvas = site.canvas
    radius = np.broadcast_to(np.asarray(radii, dtype=np.float64), len(centres))
    tints = site.rng.integers(256, len(centres))
    seen = canvas.visible(centres, 10.0) & (radius > 0)
    if not seen.any():
        return
    canopy = _crowns(site, centres[seen], radius[seen], tints[seen])
    covered = canopy >= 256
    height = ((canopy >> 8) * HEIGHT_STEP).astype(np.float32)
    dark, light = (site.palette.foliage if foliage is None else foliage).astype(np.float32)
    tint = (canopy[covered] & 255).astype(np.float32)[:, None] * np.float32(1 / 255)
    shade = 0.88 + 0.34 * _hillshade(site, height) + 0.12 * site.grain
    picture = np.array(canvas.image)
    tone = (dark + (light - dark) * tint) * shade[covered][:, None]
    picture[covered] = np.clip(tone, 0, 255).astype(np.uint8)
    canvas.image.paste(Image.fromarray(picture))
    canvas.raise_to(height * np.float32(1.6))


def grove(site: Site, spacing: float, cover: float, free: Field | None = None, clump: float = 60.0) -> None:
    """Plant trees in clumps over the whole canvas.

    Args:
        site: The scene.
        spacing: Metres between neighbouring trees within a clump.
        cover: Share of the ground that clumps take, roughly.
        free: Metres to the nearest place where no tree may stand, negative inside it, (size, size).
        clump: Width of a clump in metres.
    """
    centres = scatter(site.rng, site.canvas.reach, spacing)
    keep = site.canvas.sample(site.noise(clump, 2), centres) > 1.3 * (1 - 2 * cover) - 0.25
    radii = spacing * site.rng.uniform(0.32, 0.7, len(centres))
    if free is not None:
        keep &= site.canvas.sample(free, centres) > radii * 0.7
    trees(site, centres, np.where(keep, radii, 0.0))
