"""How large a file and an image may be; both are known before anything is decoded."""

import io
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from erkt.data.index import SUFFIXES
from erkt.data.rasters import layout
from erkt.errors import ErktError

MOST_MEGAPIXELS = 89
"""Above it ``erkt.data.prepare`` refuses an image, as Pillow's limit has it."""


@dataclass(frozen=True)
class Limits:
    """The largest file in bytes, the largest request in bytes, and the most pixels of an image."""

    file: int
    request: int
    pixels: int


def check_header(data: bytes, limits: Limits) -> None:
    """Read the beginning of an image file, and nothing of its pixels.

    Raises ErktError if it has more pixels than ``limits`` allow, more bytes, or is no image at all. A TIFF
    that Pillow does not know passes: what reads it for a model of chosen bands has a limit of its own.
    """
    if len(data) > limits.file:
        raise ErktError(f"more than {limits.file / 1e6:g} MB")
    if not data:
        raise ErktError("empty file")
    Image.init()
    formats = {Image.EXTENSION[suffix] for suffix in SUFFIXES}  # no others: some start programs
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # what follows says it better
            with Image.open(io.BytesIO(data), formats=sorted(formats)) as file:
                width, height = file.size
    except UnidentifiedImageError:
        if layout(data) is not None:
            return
        raise ErktError("not an image of a known format") from None
    except Exception as error:  # Pillow's decoders document no closed set of what they raise for a bad file
        raise ErktError(" ".join(str(error).split()) or type(error).__name__) from error
    if width * height > limits.pixels:
        size = f"{width} x {height} pixels are {width * height / 1e6:.1f} megapixels"
        raise ErktError(f"{size}, more than {limits.pixels / 1e6:g}")
