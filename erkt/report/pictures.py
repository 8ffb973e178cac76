"""Images inside the page, as addresses that hold their own bytes."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from erkt.data.images import Images
from erkt.errors import ErktError

_EXAMPLE_SIDE = 96
_HEAT_WIDTH = 960
_QUALITY = 82


def examples(images: Images, listed: Iterable[tuple[str, int]]) -> dict[str, str]:
    """Return a small picture of each ``(key, label)`` as a data address, by key.

    Raises ErktError if the prepared images have no such image.
    """
    wanted = list(dict.fromkeys(listed))
    if not wanted:
        return {}
    pixels = images.subset(wanted).pixels(range(len(wanted)))
    found = {}
    for (key, _), one in zip(wanted, pixels, strict=True):
        picture = Image.fromarray(one.transpose(1, 2, 0))
        picture.thumbnail((_EXAMPLE_SIDE, _EXAMPLE_SIDE), Image.Resampling.LANCZOS)
        found[key] = _address(picture)
    return found


def heat(path: Path) -> str:
    """Return the picture at ``path`` as a data address, no wider than a page; ErktError if it is none."""
    try:
        with Image.open(path) as image:
            picture = Image.new("RGB", image.size, "white")
            whole = image.convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ErktError(f"{path}: not readable as a picture ({error}); run dvc repro") from None
    picture.paste(whole, mask=whole.getchannel("A"))
    picture.thumbnail((_HEAT_WIDTH, 2 * _HEAT_WIDTH), Image.Resampling.LANCZOS)
    return _address(picture)


def _address(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
