"""A raster of one uint8 band, written row by row, that becomes a cloud-optimised GeoTIFF."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from erkt.deploy.geo.colours import Colour

NO_DATA = 255

_ROWS = 512  # of a tile of the COG driver


class Layer:
    """The rows that are written so far, with their ``checksum``."""

    def __init__(self, data: DatasetWriter) -> None:
        self._data, self._top, self.checksum = data, 0, 0

    def write(self, rows: NDArray[np.uint8]) -> None:
        """Append ``rows`` (h, width)."""
        self._data.write(rows, 1, window=Window(0, self._top, rows.shape[1], len(rows)))
        self._top += len(rows)
        self.checksum = zlib.crc32(rows.tobytes(), self.checksum)


@contextmanager
def layer(
    path: Path,
    size: tuple[int, int],
    place: Mapping[str, Any],
    *,
    name: str,
    tags: Mapping[str, str],
    shades: Sequence[Colour] = (),
) -> Iterator[Layer]:
    """Yield a layer of ``size`` (height, width) at a ``place`` (CRS, transform); it becomes ``path``.

    The value 255 is no data. ``shades`` are the colours of the values 0, 1 and so on. Overviews take the
    nearest pixel, since a mean of classes is none. Raises OSError for what cannot be written; GDAL does not
    say so of a full disk, hence all is read again.
    """
    rows = path.with_name(f"rows-{path.name}")
    settings = {
        "driver": "GTiff",
        "height": size[0],
        "width": size[1],
        "count": 1,
        "dtype": "uint8",
        "nodata": NO_DATA,
        "blockysize": 1,  # each row is written once; tiles would be written again for every band of rows
        "compress": "deflate",
        "zlevel": 1,
        "bigtiff": "IF_SAFER",
        **place,
    }
    try:
        with rasterio.open(rows, "w", **settings) as data:
            if shades:
                data.write_colormap(1, {value: (*shade, 255) for value, shade in enumerate(shades)})
            data.set_band_description(1, name)
            data.update_tags(**tags)
            made = Layer(data)
            yield made
        rasterio.shutil.copy(
            rows, path, driver="COG", compress="DEFLATE", overview_resampling="NEAREST", bigtiff="IF_SAFER"
        )
        rows.unlink()
        if _checksum(path) != made.checksum:
            raise OSError("what was written is not what is read again; is the disk full?")
    except (RasterioError, CPLE_BaseError) as error:
        raise OSError(" ".join(str(error).split())) from error


def _checksum(path: Path) -> int:
    found = 0
    with rasterio.open(path) as data:
        for top in range(0, data.height, _ROWS):
            rows = data.read(1, window=Window(0, top, data.width, min(_ROWS, data.height - top)))
            found = zlib.crc32(rows.tobytes(), found)
    return found


def nearest(path: Path, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the layer at ``path`` at another ``shape`` (h, w), from its overviews."""
    with rasterio.open(path) as data:
        return np.asarray(data.read(1, out_shape=shape))
