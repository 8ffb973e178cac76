"""The scene, its map and what the colours mean as one picture, drawn by Pillow."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from erkt.deploy.geo.colours import NO_DATA as GREY
from erkt.deploy.geo.colours import Colour

PANEL = 800
"""Pixels of the longer side of each of the two pictures."""

_GAP, _INK, _LINE = 16, (30, 32, 36), 22
_SHORT = 26
"""Characters of a class's name that are shown."""

_SIZE = 15
_NO_CHARACTER = "\uffff"
_FONTS = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "NanumGothic.ttf",
    "ipag.ttf",
    "msyh.ttc",  # Windows: Chinese, Japanese, Korean
    "YuGothM.ttc",
    "malgun.ttf",
    "Arial Unicode.ttf",  # macOS
)
"""Files that Pillow looks for where the system keeps fonts: Pillow's own font has the letters of ASCII."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def preview(
    scene: NDArray[np.uint8],
    values: NDArray[np.uint8],
    names: Sequence[str],
    shades: Sequence[Colour],
    shares: Sequence[float],
) -> Image.Image:
    """Return the scene (h, w, 3) beside the map of class numbers (h, w), and a legend.

    ``shares`` are those of the raster's pixels in each class, in [0, 1]. Classes that are nowhere are left
    out of the legend, the largest is first; the rest are pixels without data.
    """
    palette = np.full((256, 3), GREY, np.uint8)
    palette[: len(shades)] = shades
    height, width = values.shape
    scale = PANEL / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    panels = [
        Image.fromarray(scene).resize(size, Image.Resampling.BICUBIC),
        Image.fromarray(palette[values]).resize(size, Image.Resampling.NEAREST),
    ]
    font = _font(names)
    entries = _entries(names, shades, shares, font)
    wide = size[0] < 1.5 * size[1]
    column = 60 + round(max(font.getlength(text) for text, _ in entries))
    if wide:  # pictures side by side, the legend at the right
        corners = [(_GAP, _GAP), (2 * _GAP + size[0], _GAP)]
        legend = 3 * _GAP + 2 * size[0], _GAP
        tall = max(1, size[1] // _LINE)
        whole = legend[0] + column * -(-len(entries) // tall), 2 * _GAP + max(size[1], _LINE)
    else:  # one above the other, the legend below
        corners = [(_GAP, _GAP), (_GAP, 2 * _GAP + size[1])]
        legend = _GAP, 3 * _GAP + 2 * size[1]
        columns = max(1, size[0] // column)
        tall = -(-len(entries) // columns)
        whole = 2 * _GAP + max(size[0], column), legend[1] + tall * _LINE + _GAP
    sheet = Image.new("RGB", whole, "white")
    for panel, corner in zip(panels, corners, strict=True):
        sheet.paste(panel, corner)
    pen = ImageDraw.Draw(sheet)
    for place, (text, shade) in enumerate(entries):
        left, top = legend[0] + column * (place // tall), legend[1] + _LINE * (place % tall)
        pen.rectangle((left, top + 2, left + 24, top + _LINE - 4), fill=shade, outline=_INK)
        pen.text((left + 34, top + _LINE / 2 - 1), text, fill=_INK, font=font, anchor="lm")
    return sheet


def _entries(
    names: Sequence[str], shades: Sequence[Colour], shares: Sequence[float], font: Font
) -> list[tuple[str, Colour]]:
    """Return text and colour of each line of the legend; a name that ``font`` cannot write is its number."""
    order = sorted((number for number, share in enumerate(shares) if share > 0), key=lambda n: -shares[n])
    shown = {n: _short(names[n]) if _writes(font, names[n]) else f"class {n} in classes.tif" for n in order}
    found = [(f"{shown[number]}  {shares[number]:.1%}", shades[number]) for number in order]
    rest = 1 - sum(shares)
    return [*found, (f"no data  {rest:.1%}", GREY)] if rest > 1e-9 or not found else found


def _font(names: Sequence[str]) -> Font:
    """Return the first font that writes all ``names``, of those that systems have; else Pillow's own."""
    own = ImageFont.load_default(size=_SIZE)
    if not all(_writes(own, name) for name in names):
        for file in _FONTS:
            with suppress(OSError):
                font = ImageFont.truetype(file, _SIZE)
                if all(_writes(font, name) for name in names):
                    return font
    return own


def _writes(font: Font, text: str) -> bool:
    """Return whether ``font`` has all of ``text``: it draws the same box for each character that it lacks."""
    box = bytes(font.getmask(_NO_CHARACTER))
    return all(bytes(font.getmask(character)) != box for character in set(text) if not character.isspace())


def _short(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= _SHORT else f"{line[: _SHORT - 3]}..."
