"""From any image to the pixels that a model takes, by the one function that prepared its training images."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from erkt.data.prepare import decode
from erkt.errors import ErktError
from erkt.params.prepare import Prepare

Pixels = NDArray[np.uint8]
"""(side, side, 3)."""


Decoder = Literal["exact", "reduced"]
"""How JPEG files are read: as for training, or by way of a smaller image that the JPEG decoder makes."""

_OVERSAMPLED = 2
"""How many pixels a reduced JPEG keeps for each one of the model, at least, along both sides."""


def from_bytes(data: bytes, settings: Prepare, decoder: Decoder = "exact") -> Pixels:
    """Return the pixels of an image file; ErktError says why it has none.

    ``reduced`` has JPEG files of several times the model's side decoded at a half, a quarter or an eighth of
    their size, and resized from there. That is faster, and its pixels differ from those of training.
    """
    smaller = None
    if decoder == "reduced" and settings.bands is None and settings.stretch is None:  # GDAL reads those
        smaller = _smaller_jpeg(data, _OVERSAMPLED * settings.side)
    if smaller is not None:
        return from_object(smaller, settings)
    return np.ascontiguousarray(decode(data, settings).pixels.transpose(1, 2, 0))


def from_path(path: Path, settings: Prepare) -> Pixels:
    """Return the pixels of the image file at ``path``; ErktError says why it has none, without the path."""
    return from_bytes(read(path), settings)


def read(path: Path) -> bytes:
    """Return the bytes at ``path``; ErktError says why there are none, without the path."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a null byte in a name is a ValueError
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ErktError(f"cannot be read: {reason}") from None


def from_object(image: Any, settings: Prepare) -> Pixels:
    """Return the pixels of an image in memory.

    It is a PIL image; an array (H, W, 3), uint8; or a tensor of torch (3, H, W), uint8, or float in [0, 1].
    Whatever it is, it takes the way of a file, as an uncompressed one; bands and stretch do not apply, since
    it has its colours already. Raises ErktError for anything else.
    """
    if isinstance(image, Image.Image):
        upright = ImageOps.exif_transpose(image)
        # TIFF takes every mode that files have, but for this one.
        return _through_file(upright.convert("RGB") if upright.mode == "HSV" else upright, settings)
    if hasattr(image, "detach"):
        image = _array_of(image.detach().cpu().numpy())
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ErktError(f"{what}: expected a path, a PIL image, uint8 (H, W, 3), or a tensor (3, H, W)")
    return _through_file(Image.fromarray(np.ascontiguousarray(image)), settings)


def _through_file(image: Image.Image, settings: Prepare) -> Pixels:
    file = io.BytesIO()
    settings = replace(settings, bands=None, stretch=None)
    try:
        image.save(file, "TIFF", compression="raw")  # else as the file was that it comes from
    except (OSError, KeyError, ValueError, SystemError) as error:
        raise ErktError(f"a PIL image of mode {image.mode}, size {image.size}: {error}") from None
    return from_bytes(file.getvalue(), settings)


def _smaller_jpeg(data: bytes, side: int) -> Image.Image | None:
    """Return a JPEG at the smallest size from ``side`` on that its decoder has, or None if that is its own.

    None for other formats too. Raises ErktError saying what is wrong with a JPEG.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as file:
            full = file.size
            file.draft(None, (side, side))
            if file.size == full:
                return None
            file.load()
            return file
    except UnidentifiedImageError:
        return None
    except Exception as error:  # Pillow's decoders document no closed set of what they raise for a bad file
        raise ErktError(" ".join(str(error).split()) or type(error).__name__) from error


def _array_of(tensor: NDArray[Any]) -> NDArray[Any]:
    """Return (H, W, 3), uint8, of (3, H, W), uint8 or float in [0, 1]; else it as it is, to be refused."""
    if tensor.ndim != 3 or tensor.shape[0] != 3:
        raise ErktError(f"a tensor of shape {tensor.shape}: expected (3, H, W)")
    if np.issubdtype(tensor.dtype, np.floating):
        if not (tensor >= 0).all() or not (tensor <= 1).all():
            raise ErktError(
                "a tensor of floats with values outside [0, 1]; divide by 255, and do not normalise"
            )
        tensor = np.rint(tensor * 255).astype(np.uint8)
    return tensor.transpose(1, 2, 0)
