"""Small pictures for the page, as addresses that hold the picture itself."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from erkt.deploy.pixels import Pixels

_DARK = 0.25
"""What is left of the brightness where a network does not look."""


def address(pixels: Pixels) -> str:
    """Return uint8 pixels (H, W, 3) as a ``data:`` address of a PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def lit(pixels: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """Return pixels (H, W, 3) as bright as ``heat`` (H, W), in [0, 1], says, dark where it is 0."""
    light = _DARK + (1 - _DARK) * heat[..., None]
    return np.rint(pixels * light).astype(np.uint8)
