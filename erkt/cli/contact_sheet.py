"""A contact sheet: a row of pictures for every class."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from erkt.scenes import CLASSES, render

GAP = 3
INK = (30, 32, 36)


def contact_sheet(columns: int, side: int, seed: int) -> Image.Image:
    """Return the first ``columns`` pictures of every class under ``seed``, a named row for each class.

    Args:
        columns: Pictures a class.
        side: Pixels a side of one picture.
        seed: Seed of the data set.
    """
    font = ImageFont.load_default(size=max(side // 9, 9))
    names = [name.replace("_", " ") for name in CLASSES]
    margin = round(max(font.getlength(name) for name in names)) + 4 * GAP
    step = side + GAP
    sheet = Image.new("RGB", (margin + columns * step, len(CLASSES) * step + GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (scene, name) in enumerate(zip(CLASSES, names, strict=True)):
        top = GAP + row * step
        pen.text((2 * GAP, top + side / 2), name, fill=INK, font=font, anchor="lm")
        for column in range(columns):
            picture = np.ascontiguousarray(render(scene, seed, column, side))
            sheet.paste(Image.fromarray(picture), (margin + column * step, top))
    return sheet
