"""Images with more bands or more bits than a picture has: what they hold, and how they are read.

Pillow reads some of them wrong without a word, which was found by reading what GDAL had written: three
uncompressed planes of 16 bits are scrambled, of bands that are no red, green and blue it takes the first,
grey of 16 bits whose white is 0 is not inverted, and signed bytes are taken as unsigned. So the layout is
looked at before. With ``bands`` or a ``stretch`` GDAL reads the file, through rasterio.
"""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from erkt.errors import ErktError

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# What is read is told by content; some of GDAL's other drivers follow addresses and paths in a file.
_DRIVERS = ["GTiff", "JP2OpenJPEG", "PNG", "JPEG", "BMP", "GIF", "WEBP", "PNM"]
_WHOLE = {"GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO"}
"""Else GDAL returns whatever lies in memory for the rows that a PNG lacks, and says nothing."""

_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _FORMAT = 258, 259, 262, 277, 284, 338, 339
_GREY, _RGB = (0, 1), 2
_WHITE_IS_LARGE = 1
_FORMATS = {1: "uint", 2: "int", 3: "float", 5: "complex", 6: "complex"}
_ALPHA = (1, 2)
_UNCOMPRESSED, _PLANES = 1, 2

CHOOSE = (
    "set prepare.bands, as [3, 2, 1] for red, green and blue, and prepare.stretch, as [0, 4095] for black "
    "and white (for both: pip install 'erkt[geo]'); or save it as 8-bit RGB"
)


@dataclass(frozen=True)
class Layout:
    """What a TIFF holds: so many bands of a type, and whether Pillow reads them right."""

    bands: int
    kind: str
    trusted: bool

    def __str__(self) -> str:
        return f"{self.bands} band{'s' * (self.bands != 1)} of {self.kind}"


def layout(data: bytes) -> Layout | None:
    """Return what the first image of a TIFF holds; None for another format, or a file that is damaged."""
    if data[:4] not in _TIFF:
        return None
    try:
        header = data[: 16 if data[2] == ord("+") or data[3] == ord("+") else 8]
        tags = ImageFileDirectory_v2(header)
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        bands, bits = int(tags.get(_SAMPLES, 1)), max(tags.get(_BITS, (1,)))
        kind = _FORMATS.get(max(tags.get(_FORMAT, (1,))), "unknown")
        extra = tags.get(_EXTRA, ())
        planes = tags.get(_PLANAR) == _PLANES and bands > 1
        photometric, compression = tags.get(_PHOTOMETRIC), tags.get(_COMPRESSION, _UNCOMPRESSED)
    except Exception:  # noqa: BLE001  # Pillow documents no closed set; its decoder then says what is wrong
        return None
    if photometric in _GREY:
        upright = kind == "uint" and (photometric == _WHITE_IS_LARGE or bits <= 8)
        trusted = upright and (bands == 1 or (bands == 2 and len(extra) == 1 and extra[0] in _ALPHA))
    else:
        scrambled = planes and bits > 8 and compression == _UNCOMPRESSED
        trusted = not scrambled and (photometric != _RGB or bands - len(extra) == 3)
    return Layout(bands, f"{kind}{bits}", trusted)


def check_reach(kinds: Sequence[str], stretch: tuple[float, float]) -> None:
    """Raise ErktError if bands of one of ``kinds`` hold no value as large as ``stretch`` makes white.

    Such a file is of another kind than the stretch is for, and would be nearly black.
    """
    for kind in kinds:
        if np.issubdtype(kind, np.integer) and np.iinfo(kind).max < stretch[1]:
            raise ErktError(
                f"{kind} ends at {np.iinfo(kind).max}, and the stretch at {stretch[1]:g}: nothing would be "
                "white; take files of the kind that the stretch is for, or another stretch"
            )


def scaled(
    values: NDArray[Any], low: NDArray[np.float64] | float, high: NDArray[np.float64] | float
) -> NDArray[np.uint8]:
    """Return uint8 of ``values``: ``low`` becomes 0, ``high`` 255, rounded to nearest, clipped.

    What is no finite number becomes 0.
    """
    share = np.asarray((values.astype(np.float64) - low) * 255 / (high - low))
    return np.rint(np.clip(np.nan_to_num(share, nan=0.0), 0, 255)).astype(np.uint8)


def read(
    data: bytes, bands: Sequence[int] | None, stretch: tuple[float, float] | None
) -> tuple[Image.Image, str]:
    """Return the picture that ``bands`` (one or three, from 1) make by ``stretch``, and what the file holds.

    Without ``bands`` a file of one or three, beside an opacity, is taken; without ``stretch`` uint8 is. No
    orientation is applied. Raises ErktError for a file that GDAL cannot read, that has not these bands, or
    that leaves something to choose; and where rasterio is not installed.
    """
    try:
        from rasterio import Env
        from rasterio.enums import ColorInterp
        from rasterio.errors import NotGeoreferencedWarning, RasterioError
        from rasterio.io import MemoryFile
    except ImportError:
        raise ErktError(
            "prepare.bands and prepare.stretch are read by rasterio; run: pip install 'erkt[geo]'"
        ) from None
    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    try:
        with Env(**_WHOLE), MemoryFile(data) as file, file.open(driver=_DRIVERS) as raster:
            if raster.width * raster.height > (Image.MAX_IMAGE_PIXELS or np.inf):
                raise ErktError(f"{raster.width * raster.height} pixels, more than an image may have")
            if ColorInterp.palette in raster.colorinterp:
                raise ErktError("colours in a palette are numbers of colours; save it as RGB")
            if raster.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES":
                raise ErktError("its white is the smallest value; invert it, and save it again")
            held = " and ".join(dict.fromkeys(raster.dtypes))
            colours = [
                number
                for number, what in enumerate(raster.colorinterp, start=1)
                if what is not ColorInterp.alpha
            ]
            chosen = list(bands or colours)
            what = f"{raster.count} band{'s' * (raster.count != 1)} of {held}"
            if max(chosen) > raster.count:
                raise ErktError(f"{what}, but prepare.bands is {chosen}")
            if len(chosen) not in (1, 3) or (stretch is None and held != "uint8"):
                raise ErktError(f"{what}; {CHOOSE}")
            if "complex" in held:
                raise ErktError(f"{what}: complex numbers are no image; write their magnitude first")
            if stretch is not None:
                check_reach([raster.dtypes[number - 1] for number in chosen], stretch)
            values = raster.read(chosen)
    except RasterioError as error:
        raise ErktError(f"rasterio cannot read it: {' '.join(str(error).split())}") from None
    low, high = stretch or (0.0, 255.0)
    pixels = scaled(values, low, high)
    grey = len(pixels) == 1
    return Image.fromarray(pixels[0] if grey else np.ascontiguousarray(pixels.transpose(1, 2, 0))), what
