"""How many pages or frames an image file has; only the first of them is ever taken."""

import io

from PIL import Image, TiffImagePlugin

_FORMATS = ("GIF", "PNG", "TIFF", "WEBP")
_KIND = 254
_REDUCED, _MASK = 1, 4


def pages(data: bytes) -> int:
    """Return the number of pages or frames, at least 1; smaller copies and masks within a TIFF do not count.

    Cloud-optimised GeoTIFFs hold such copies. One that comes first counts, because it is what is taken. Other
    formats have 1.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as file:
            count = getattr(file, "n_frames", 1)
            if not isinstance(file, TiffImagePlugin.TiffImageFile):
                return int(count)
            whole = 0
            for number in range(count):
                file.seek(number)
                whole += number == 0 or not file.tag_v2.get(_KIND, 0) & (_REDUCED | _MASK)
            return whole
    except Exception:  # noqa: BLE001  # Pillow documents no closed set of what it raises for a bad file
        return 1
