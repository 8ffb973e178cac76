"""From drawn ground to photograph: shadows, haze, exposure, blur, sensor noise, down-sampling."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from erkt.scenes.canvas import LEVELS_PER_METRE, Canvas, Light
from erkt.scenes.draws import number
from erkt.scenes.texture import Field, cloud
from erkt.seeds import Stream

CONFUSION = 1.0  # strength of haze, colour casts, blur and noise; 0 gives clean pictures
SHADOW_STEPS = 14


def draw_light(rng: Stream) -> Light:
    """Return a sun at any azimuth, from high to rather low."""
    return Light(number(rng, 0.0, 2 * math.pi), number(rng, 0.35, 1.3), number(rng, 0.35, 0.62))


def shadows(canvas: Canvas) -> Field:
    """Return where something higher stands between a pixel and the sun: 0 or 1, (size, size).

    Every pixel looks towards the sun in equal steps and compares the relief there with the height that a
    ray reaches.
    """
    relief = np.asarray(canvas.relief).astype(np.int16)
    size, light = canvas.size, canvas.light
    shaded = np.zeros((size, size), dtype=bool)
    highest = int(relief.max())
    longest = min(highest / LEVELS_PER_METRE * light.reach * canvas.scale, size / 2)
    steps = min(SHADOW_STEPS, math.ceil(longest))
    for step in range(1, steps + 1):
        away = longest * step / steps
        dx, dy = round(away * math.cos(light.azimuth)), round(away * math.sin(light.azimuth))
        here = (slice(max(dy, 0), size + min(dy, 0)), slice(max(dx, 0), size + min(dx, 0)))
        there = (slice(max(-dy, 0), size + min(-dy, 0)), slice(max(-dx, 0), size + min(-dx, 0)))
        ray = np.int16(math.ceil(away / (light.reach * canvas.scale) * LEVELS_PER_METRE))
        shaded[here] |= relief[there] >= relief[here] + ray
    return shaded.astype(np.float32)


def _exposure(rng: Stream) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Return the gain (3,) of the sensor, the colour (3,) of the haze and the haze's density."""
    spread = 0.05 * CONFUSION
    gain = number(rng, 1.04 - 3.5 * spread, 1.04 + 3.5 * spread) * rng.uniform(1 - spread, 1 + spread, 3)
    veil = np.array([196.0, 204.0, 214.0]) * rng.uniform(0.94, 1.06, 3)
    density = number(rng, 0.0, 1.0) ** 2 * 0.36 * CONFUSION
    return gain.astype(np.float32), veil.astype(np.float32), density


def _noise(rng: Stream, side: int) -> NDArray[np.float32]:
    """Return nearly normal deviates (side, side, 3) of variance 1: the scaled sum of three uniform ones."""
    return np.asarray(rng.uniform(-1.0, 1.0, 3, side, side, 3).sum(axis=0), dtype=np.float32)


def develop(canvas: Canvas, rng: Stream, sensor: Stream) -> NDArray[np.uint8]:
    """Return the finished picture, (side, side, 3) RGB.

    Args:
        canvas: The scene as drawn.
        rng: Source of light, haze and exposure; what it gives does not depend on the side.
        sensor: Source of the noise of single pixels.
    """
    side = canvas.side
    ground = np.asarray(canvas.image.filter(ImageFilter.BoxBlur(0.5)).reduce(canvas.reduction), np.float32)
    lit = Image.fromarray((shadows(canvas) * 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(1))
    dark = np.asarray(lit.reduce(canvas.reduction), np.float32) * np.float32(canvas.light.depth / 255)
    picture = ground * (1 - dark[:, :, None] * np.array([1.0, 0.96, 0.86], np.float32))
    picture *= (1 + 0.03 * cloud(rng, side, 100, 2, 0.8))[:, :, None]
    gain, veil, density = _exposure(rng)
    thickness = np.clip(density * (1 + 0.5 * cloud(rng, side, 2, 2)), 0, 0.8)[:, :, None]
    picture = picture * gain * (1 - thickness) + veil * thickness
    picture = picture - np.float32(0.4) * np.maximum(picture - 195, 0)  # bright surfaces keep their texture
    blurred = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    softness = number(rng, 0.0, 0.6) * CONFUSION * side / 128
    picture = np.asarray(blurred.filter(ImageFilter.GaussianBlur(softness)), np.float32)
    picture = picture + _noise(sensor, side) * np.float32(number(rng, 0.6, 3.4) * CONFUSION)
    return np.asarray(np.clip(picture + 0.5, 0, 255), dtype=np.uint8)
