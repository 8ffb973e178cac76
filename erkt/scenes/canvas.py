"""The picture being drawn: shapes in metres at any orientation, a height for every pixel, supersampling.

A canvas is larger than the picture it will become; ``develop`` in ``atmosphere`` shrinks it by averaging.
Colours go into ``image``; heights above ground go into ``relief``, from which shadows are computed once,
at the end, so that everything in a scene throws its shadow to the same side.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from erkt.scenes.geometry import Points, ribbon
from erkt.scenes.texture import Field

Mask = NDArray[np.bool_] | Field

LEVELS_PER_METRE = 4.0  # heights are stored in quarter metres, 0..255


@dataclass(frozen=True)
class Light:
    """The sun: where shadows fall in the picture (radians), their length a metre of height, their depth."""

    azimuth: float
    reach: float
    depth: float


class Canvas:
    """A square piece of ground seen from straight above.

    Args:
        side: Pixels a side of the finished picture.
        extent: Metres a side that the picture shows.
        turn: Angle in radians between the layout's axes and the picture's.
        light: The sun.
    """

    def __init__(self, side: int, extent: float, turn: float, light: Light) -> None:
        self.side = side
        self.reduction = 4 if side < 48 else 3 if side < 96 else 2
        self.size = side * self.reduction
        self.extent = extent
        self.reach = extent * 0.71  # every visible point is nearer to the middle than this
        self.turn = turn
        self.light = light
        self.scale = self.size / extent
        self.image = Image.new("RGB", (self.size, self.size))
        self.relief = Image.new("L", (self.size, self.size))
        self._pen = ImageDraw.Draw(self.image)
        self._lift = ImageDraw.Draw(self.relief)

    @property
    def sunward(self) -> tuple[float, float]:
        """The unit vector towards the sun, in the layout's axes."""
        angle = self.light.azimuth + math.pi - self.turn
        return math.cos(angle), math.sin(angle)

    @cached_property
    def grid(self) -> tuple[Field, Field]:
        """The layout coordinates of the pixels' centres in metres: two fields of shape (size, size)."""
        axis = ((np.arange(self.size) + 0.5) / self.scale - self.extent / 2).astype(np.float32)
        cos, sin = np.float32(math.cos(self.turn)), np.float32(math.sin(self.turn))
        x, y = axis[None, :], axis[:, None]
        return x * cos + y * sin, y * cos - x * sin

    def pixels(self, points: Points) -> Points:
        """Return layout points (..., 2) in metres as pixel positions (..., 2)."""
        cos, sin = math.cos(self.turn) * self.scale, math.sin(self.turn) * self.scale
        x, y = points[..., 0], points[..., 1]
        return np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1) + self.size / 2

    def sample(self, field: Mask, points: Points) -> NDArray[np.float64]:
        """Return ``field`` (size, size) at layout points (N, 2); points outside take the nearest pixel."""
        column, row = np.clip(self.pixels(points), 0, self.size - 1).astype(np.intp).T
        return np.asarray(field[row, column], dtype=np.float64)

    def visible(self, points: Points, margin: float = 0.0) -> NDArray[np.bool_]:
        """Return which layout points (N, 2) lie in the picture or at most ``margin`` metres outside it."""
        away = np.abs(self.pixels(points) - self.size / 2).max(axis=-1)
        return np.asarray(away <= self.size / 2 + margin * self.scale)

    def paint(self, colour: ArrayLike, shade: Field | None = None, mask: Mask | None = None) -> None:
        """Colour the picture, or the part of it that ``mask`` selects.

        Args:
            colour: RGB in 0..255, of shape (3,) or (size, size, 3).
            shade: Factor on the colour for every pixel, (size, size).
            mask: (size, size), bool or opacity in [0, 1].
        """
        tone = np.asarray(colour, dtype=np.float32)
        if shade is not None:
            tone = tone * shade[:, :, None]
        stencil = None
        if mask is not None:
            opacity = mask * np.uint8(255) if mask.dtype == np.bool_ else mask * np.float32(255.0)
            stencil = Image.fromarray(opacity.astype(np.uint8))
        if tone.ndim == 1:
            red, green, blue = (int(value) for value in np.clip(tone, 0, 255))
            self.image.paste((red, green, blue), (0, 0, self.size, self.size), stencil)
        else:
            layer = Image.fromarray(np.clip(tone, 0, 255).astype(np.uint8))
            self.image.paste(layer, (0, 0), stencil)

    def raise_to(self, height: Field) -> None:
        """Raise the relief to ``height`` (size, size) in metres wherever that is higher."""
        levels = np.clip(height * np.float32(LEVELS_PER_METRE), 0, 255).astype(np.uint8)
        self.relief.paste(Image.fromarray(np.maximum(levels, np.asarray(self.relief))))

    def flatten(self, mask: NDArray[np.bool_]) -> None:
        """Set the relief to the ground's level where ``mask`` (size, size) is true."""
        self.relief.paste(0, (0, 0, self.size, self.size), Image.fromarray(mask * np.uint8(255)))

    def near(self, lines: Iterable[Points], width: float) -> NDArray[np.bool_]:
        """Return the pixels (size, size) at most ``width`` / 2 metres from polylines (N, 2)."""
        sketch = Image.new("L", (self.size, self.size))
        pen = ImageDraw.Draw(sketch)
        for line in lines:
            pen.line(
                self.pixels(line).ravel().tolist(),
                fill=1,
                width=max(round(width * self.scale), 1),
                joint="curve",
            )
        return np.asarray(sketch) > 0

    def fill(self, shapes: Points, colours: ArrayLike, heights: ArrayLike | None = None) -> None:
        """Draw polygons.

        Args:
            shapes: (N, K, 2) vertices in metres.
            colours: RGB in 0..255, (3,) or (N, 3).
            heights: Metres above ground, one or (N,); None leaves the relief alone.
        """
        if len(shapes) == 0:
            return
        outlines = self.pixels(shapes).reshape(len(shapes), -1).tolist()
        for outline, tone in zip(outlines, _tones(colours, len(shapes)), strict=True):
            self._pen.polygon(outline, fill=tone)
        if heights is not None:
            for outline, level in zip(outlines, _levels(heights, len(shapes)), strict=True):
                self._lift.polygon(outline, fill=level)

    def strokes(self, segments: Points, width: float, colour: ArrayLike) -> None:
        """Draw thin straight lines (N, 2, 2), ``width`` metres wide, in one RGB colour.

        Lines thinner than a pixel of the canvas are drawn one pixel wide and correspondingly fainter.
        """
        thickness = width * self.scale
        layer = Image.new("L", (self.size, self.size))
        pen = ImageDraw.Draw(layer)
        opacity = round(255 * min(thickness, 1.0))
        for ends in self.pixels(segments).reshape(len(segments), 4).tolist():
            pen.line(ends, fill=opacity, width=max(round(thickness), 1))
        red, green, blue = (int(value) for value in np.clip(np.asarray(colour), 0, 255))
        self.image.paste((red, green, blue), (0, 0, self.size, self.size), layer)

    def band(
        self, line: Points, width: float, colour: ArrayLike, height: float | None = None, offset: float = 0.0
    ) -> None:
        """Draw a band of ``width`` metres along ``line`` (N, 2); see ``geometry.ribbon`` for ``offset``."""
        self.fill(ribbon(line, width, offset), colour, height)

    def discs(
        self, centres: ArrayLike, radii: ArrayLike, colours: ArrayLike, heights: ArrayLike | None = None
    ) -> None:
        """Draw filled circles; arguments as in ``fill`` with centres (N, 2) and radii in metres."""
        middle = self.pixels(np.asarray(centres, dtype=np.float64).reshape(-1, 2))
        radius = np.broadcast_to(np.asarray(radii, dtype=np.float64) * self.scale, len(middle))[:, None]
        corners = np.concatenate([middle - radius, middle + radius], axis=1).tolist()
        for corner, tone in zip(corners, _tones(colours, len(middle)), strict=True):
            self._pen.ellipse(corner, fill=tone)
        if heights is not None:
            for corner, level in zip(corners, _levels(heights, len(middle)), strict=True):
                self._lift.ellipse(corner, fill=level)


def _tones(colours: ArrayLike, amount: int) -> list[tuple[int, int, int]]:
    """Return ``amount`` RGB triples from one colour (3,) or one for each shape (amount, 3)."""
    tones = np.clip(np.asarray(colours), 0, 255).astype(np.int64)
    return [(red, green, blue) for red, green, blue in np.broadcast_to(tones, (amount, 3)).tolist()]


def _levels(heights: ArrayLike, amount: int) -> list[int]:
    """Return ``amount`` levels of the relief from heights in metres, one or (amount,)."""
    levels = np.clip(np.asarray(heights, dtype=np.float64) * LEVELS_PER_METRE, 0, 255).astype(np.int64)
    return [int(level) for level in np.broadcast_to(levels, amount)]
