"""From a scene and a model to a folder with the map, the confidence and a preview."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from erkt.deploy import scores
from erkt.deploy.geo import sidecars
from erkt.deploy.geo.colours import colours
from erkt.deploy.geo.layer import NO_DATA, layer, nearest
from erkt.deploy.geo.preview import PANEL, preview
from erkt.deploy.geo.scene import Scene
from erkt.deploy.geo.windows import Axis, Band, RowOfWindows, averaged
from erkt.deploy.pixels import Pixels, from_object
from erkt.deploy.predictor import BATCH, Predictor
from erkt.errors import ErktError
from erkt.files.replace import replace_folder

CLASSES, CONFIDENCE, PREVIEW = "classes.tif", "confidence.tif", "preview.png"

CACHE = 64 * 2**20
"""Bytes of GDAL's cache of blocks, which otherwise is 5 % of the memory of the machine."""

_READ = 2**22
"""Pixels that are read at once, at most, where a single window has fewer."""


@dataclass(frozen=True)
class Mapped:
    """How many pixels the map has, how many are of each class, and how many of those the model is unsure."""

    pixels: int
    of_class: tuple[int, ...]
    unsure: int

    @property
    def known(self) -> int:
        """Pixels that are of some class."""
        return sum(self.of_class)


@contextmanager
def gdal() -> Iterator[None]:
    """Give all of this a small cache, and no warning of a raster that lies nowhere: ``Scene`` refuses it."""
    with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=CACHE):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def write_map(
    scene: Scene,
    predictor: Predictor,
    rows: Axis,
    columns: Axis,
    out: Path,
    *,
    threads: int,
    tags: Mapping[str, str],
    on_window: Callable[[int], None],
) -> Mapped:
    """Write the folder ``out``, whole or not at all: classes, confidence, and a preview.

    ``classes.tif`` has the number of the class whose averaged logit is highest, ``confidence.tif`` its
    probability after the model's temperature, in percent, rounded to nearest; 255 in both is no data. Names
    and colours are in ``classes.tif.aux.xml`` and ``classes.qml``. ``on_window(done)`` is called as windows
    are done.

    A pixel without data in the scene has none in the map; nor has one that is seen only by windows of which
    more than half has no data, since these are not predicted. In others, pixels without data take the mean
    of those with. Windows are resized by the function that prepared the training images.

    Raises ErktError for a scene that cannot be read to its end, and for what the file system refuses.
    """
    names = predictor.classes
    if len(names) > NO_DATA:
        raise ErktError(f"{len(names)} classes: a map of bytes has room for {NO_DATA}")
    shades, (height, width) = colours(len(names)), scene.size
    pixels, unsure = np.zeros(NO_DATA + 1, np.int64), 0
    with replace_folder(out) as folder, ThreadPoolExecutor(threads) as pool:
        source = _Windows(scene, predictor, rows, columns, pool, on_window)
        with (
            layer(
                folder / CLASSES, scene.size, scene.place, name="class", tags=tags, shades=shades
            ) as classes,
            layer(
                folder / CONFIDENCE, scene.size, scene.place, name="confidence in percent", tags=tags
            ) as confidence,
        ):
            for band in averaged(rows, columns, source.row):
                best, share = _decided(band, predictor.card.temperature)
                known = scene.valid(band.top, band.bottom, 0, width)
                widths = np.diff(columns.edges)
                found = np.where(known, np.repeat(best, widths), np.uint8(NO_DATA))
                percent = np.where(found == NO_DATA, np.uint8(NO_DATA), np.repeat(_percent(share), widths))
                classes.write(found)
                confidence.write(percent)
                pixels += np.bincount(found.ravel(), minlength=NO_DATA + 1)
                if predictor.card.threshold is not None:
                    low = np.repeat(share < predictor.card.threshold, widths)
                    unsure += int((low & (found != NO_DATA)).sum())
        of_class = [int(count) for count in pixels[: len(names)]]
        (folder / f"{CLASSES}.aux.xml").write_text(
            sidecars.aux_xml(names, shades, of_class), encoding="utf-8"
        )
        (folder / CLASSES).with_suffix(".qml").write_text(sidecars.qml(names, shades), encoding="utf-8")
        small = scene.thumbnail(PANEL)
        shares = [count / (height * width) for count in of_class]
        shown = nearest(folder / CLASSES, small.shape[:2])
        preview(small, shown, names, shades, shares).save(folder / PREVIEW, optimize=True)
    return Mapped(height * width, tuple(of_class), unsure)


def _decided(band: Band, temperature: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the class (cells,) of averaged logits, 255 where nothing was seen, and its probability."""
    shares = scores.probabilities(band.logits, temperature)
    best = np.where(band.seen, shares.argmax(axis=1), NO_DATA)
    return best.astype(np.uint8), np.asarray(shares.max(axis=1))


def _percent(share: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.rint(100 * share).astype(np.uint8)


class _Windows:
    """Rows of windows of a scene, read in parts, resized by threads, and asked of the model."""

    def __init__(
        self,
        scene: Scene,
        predictor: Predictor,
        rows: Axis,
        columns: Axis,
        pool: ThreadPoolExecutor,
        on_window: Callable[[int], None],
    ) -> None:
        self._scene, self._predictor, self._pool, self._on_window = scene, predictor, pool, on_window
        self._rows, self._columns, self._done = rows, columns, 0
        # A window may be square on the ground and not in pixels; in pixels it is squeezed, never cut.
        self._settings = replace(predictor.card.preparation, non_square="squash")
        fitting = (_READ // rows.window - columns.window) // columns.stride + 1
        self._together = max(1, min(BATCH, fitting))

    def row(self, number: int) -> RowOfWindows:
        """Return the logits of each window in a row, and which have some."""
        starts = self._columns.starts
        logits = np.zeros((len(starts), len(self._predictor.classes)), np.float32)
        known = np.zeros(len(starts), np.bool_)
        for first in range(0, len(starts), self._together):
            cut = self._cut(int(self._rows.starts[number]), starts[first : first + self._together])
            usable = [place for place, window in enumerate(cut, start=first) if window is not None]
            if usable:
                prepared = self._pool.map(self._prepare, [window for window in cut if window is not None])
                logits[usable] = self._predictor.model.logits(np.stack(list(prepared)))
                known[usable] = True
            self._done += len(cut)
            self._on_window(self._done)
        return logits, known

    def _cut(self, top: int, starts: NDArray[np.int64]) -> list[Pixels | None]:
        """Return the windows whose first columns are ``starts``; None for one that is mostly without data."""
        bottom, left = top + self._rows.window, int(starts[0])
        right = int(starts[-1]) + self._columns.window
        pixels = self._scene.pixels(top, bottom, left, right)
        valid = self._scene.valid(top, bottom, left, right)
        found: list[Pixels | None] = []
        for start in starts - left:
            columns = slice(start, start + self._columns.window)
            found.append(_filled(pixels[:, columns], valid[:, columns]))
        return found

    def _prepare(self, window: Pixels) -> Pixels:
        return from_object(window, self._settings)


def _filled(window: Pixels, valid: NDArray[np.bool_]) -> Pixels | None:
    """Return a window whose pixels without data have the mean of the others; None if those are fewer."""
    if valid.all():
        return window
    if 2 * int(valid.sum()) < valid.size:
        return None
    window = window.copy()
    window[~valid] = np.rint(window[valid].mean(axis=0))
    return window
