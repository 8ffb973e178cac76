"""A raster that is read in parts, as the RGB that a model takes, with where it has data."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from erkt.data.rasters import check_reach
from erkt.deploy.geo import bands as rules
from erkt.deploy.geo.bands import Limits, Percentiles
from erkt.deploy.geo.ground import metres_a_pixel
from erkt.errors import ErktError

_SAMPLE = 1000
"""Pixels a side, at most, from which percentiles are taken."""


class Scene:
    """The raster at ``path``, open until it is left.

    ``wanted`` are the bands (None: those of ``bands.check``), ``stretch`` two values or percentiles (None:
    uint8 as it is). ``bare`` allows a raster that says nothing of where it lies.

    A pixel has no data where all bands that are read have their nodata value, where the mask or the opacity
    is 0 (not if the opacity's band is itself read), and where a band is no finite number. Raises ErktError
    for a file that is no raster or cut short, lies nowhere, or leaves bands or stretch to choose.
    """

    def __init__(
        self,
        path: Path,
        wanted: tuple[int, ...] | None = None,
        stretch: Percentiles | tuple[float, float] | None = None,
        *,
        bare: bool = False,
    ) -> None:
        self.path = path
        if not path.exists():
            raise ErktError(f"{path}: no such file")
        try:
            self._data = rasterio.open(path)
        except RasterioError as error:
            raise ErktError(f"{path}: cannot be read as a raster: {' '.join(str(error).split())}") from None
        try:
            self._check_place(bare)
            self.bands = self._choose(wanted, stretched=stretch is not None)
            if isinstance(stretch, tuple):
                self._check_reach(stretch)
            self._masks = self._masks_of()
            self._check_end()
            self.limits = self._limits(stretch)
        except BaseException:
            self._data.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.close()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self._data.height), int(self._data.width)

    @property
    def place(self) -> dict[str, Any]:
        """CRS and transform, as rasterio writes them; a raster that lies nowhere has none."""
        return {"crs": self._data.crs, "transform": self._data.transform} if self._placed else {}

    @property
    def metres(self) -> tuple[float, float] | None:
        """The metres of a pixel's width and height on the ground; None if nobody knows."""
        if self._data.crs is None or not self._placed:
            return None
        return metres_a_pixel(self._data.crs, self._data.transform, self._data.width, self._data.height)

    def __str__(self) -> str:
        height, width = self.size
        where = str(self._data.crs.to_string()) if self._data.crs else "no CRS"
        where = where if len(where) <= 20 else "a CRS of its own"
        kinds = " and ".join(sorted({self._data.dtypes[number - 1] for number in self.bands}))
        chosen = f"bands {','.join(map(str, self.bands))} of {self._data.count}"
        if MaskFlags.alpha in self._data.mask_flag_enums[self.bands[0] - 1] and self._masks:
            chosen += f" ({self._data.colorinterp.index(ColorInterp.alpha) + 1} is the opacity)"
        return f"{self.path}: {width} x {height} pixels, {chosen}, {kinds}, {where}"

    def pixels(self, top: int, bottom: int, left: int, right: int) -> NDArray[np.uint8]:
        """Return uint8 (H, W, 3) of these rows and columns."""
        return self._rgb(self._read(Window(left, top, right - left, bottom - top)))

    def valid(self, top: int, bottom: int, left: int, right: int) -> NDArray[np.bool_]:
        """Return which of these pixels (H, W) have data."""
        window = Window(left, top, right - left, bottom - top)
        known: NDArray[np.bool_] = np.ones((bottom - top, right - left), np.bool_)
        if self._masks:
            known = np.any(self._read(window, masks=True) > 0, axis=0)
        if any("float" in self._data.dtypes[number - 1] for number in self.bands):
            known &= np.isfinite(self._read(window)).all(axis=0)
        return np.asarray(known)

    def thumbnail(self, side: int) -> NDArray[np.uint8]:
        """Return uint8 (h, w, 3) of the whole raster, averaged to at most ``side`` pixels a side."""
        return self._rgb(self._read(None, shape=self._within(side), resampling=Resampling.average))

    def _rgb(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        shown = values if self.limits is None else self.limits(values)
        return np.ascontiguousarray(np.broadcast_to(shown, (3, *shown.shape[1:])).transpose(1, 2, 0))

    def _read(
        self,
        window: Window | None,
        *,
        masks: bool = False,
        shape: tuple[int, int] | None = None,
        resampling: Resampling = Resampling.nearest,
    ) -> NDArray[Any]:
        """Return values (bands, H, W), or masks, of the bands that are read."""
        read = self._data.read_masks if masks else self._data.read
        out = None if shape is None else (len(self.bands), *shape)
        try:
            return np.asarray(read(list(self.bands), window=window, out_shape=out, resampling=resampling))
        except (RasterioError, OSError) as error:
            reason = " ".join(str(error.__cause__ or error).split())
            raise ErktError(f"{self.path}: cut short or damaged: {reason}") from None

    def _within(self, side: int) -> tuple[int, int]:
        height, width = self.size
        scale = min(1.0, side / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _check_place(self, bare: bool) -> None:
        self._placed = not self._data.transform.is_identity
        if bare or (self._data.crs is not None and self._placed):
            return
        lacking = " and ".join(
            name for name, is_there in (("CRS", self._data.crs), ("transform", self._placed)) if not is_there
        )
        points = ", but ground control points: run gdalwarp first" if self._data.gcps[0] else ""
        raise ErktError(
            f"{self.path}: no {lacking}, so nobody knows where it lies{points}; georeference it, or add "
            "--no-crs for a map that lies nowhere"
        )

    def _choose(self, wanted: tuple[int, ...] | None, *, stretched: bool) -> tuple[int, ...]:
        meanings: Sequence[ColorInterp] = self._data.colorinterp
        if not self._data.count:
            raise ErktError(f"{self.path}: no bands of its own; write one of its parts as GeoTIFF")
        if ColorInterp.palette in meanings:
            raise ErktError(f"{self.path}: colours in a palette; run gdal_translate -expand rgb first")
        alpha = meanings.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in meanings else None
        try:
            return rules.check(self._data.count, self._data.dtypes, alpha, wanted, stretched)
        except ErktError as error:
            raise ErktError(f"{self.path}: {error}") from None

    def _check_reach(self, stretch: tuple[float, float]) -> None:
        try:
            check_reach([self._data.dtypes[number - 1] for number in self.bands], stretch)
        except ErktError as error:
            raise ErktError(f"{self.path}: {error}") from None

    def _masks_of(self) -> bool:
        """Return whether a mask says where there is data; an opacity that is read as a colour is none."""
        meanings, flags = self._data.colorinterp, self._data.mask_flag_enums
        read = {meanings[number - 1] for number in self.bands}
        of_bands = {flag for number in self.bands for flag in flags[number - 1]}
        if MaskFlags.alpha in of_bands and ColorInterp.alpha in read:
            return False
        return MaskFlags.all_valid not in of_bands

    def _check_end(self) -> None:
        """Read the last row: what is cut short lacks it, and shall say so now and not in an hour."""
        height, width = self.size
        self._read(Window(0, height - 1, width, 1))

    def _limits(self, stretch: Percentiles | tuple[float, float] | None) -> Limits | None:
        if stretch is None:
            return None
        if not isinstance(stretch, Percentiles):
            return Limits(*((end,) * len(self.bands) for end in stretch))
        shape = self._within(_SAMPLE)
        sample = self._read(None, shape=shape)
        known: NDArray[np.bool_] = np.ones(shape, np.bool_)
        if self._masks:
            known = np.any(self._read(None, masks=True, shape=shape) > 0, axis=0)
        try:
            return rules.limits(sample, known, self.bands, stretch)
        except ErktError as error:
            raise ErktError(f"{self.path}: {error}") from None
