"""Decode and resize every image once, into one array that the later stages map into memory.

How a file becomes pixels, in this order; none of it stretches contrast or applies a colour profile:

- the first frame is taken, and turned upright by its EXIF orientation;
- grey (1 or 8 bits) is repeated into three channels; 16-bit grey is first scaled by 1/257, rounded to
  nearest, so that 0..65535 meets 0..255 exactly (Pillow's own conversion clips); 16-bit colour comes from
  Pillow's decoders with the high byte of each value;
- a palette is looked up; alpha and transparency are dropped, since compositing would need a background colour
  that is in no file; CMYK becomes (255 - C)(255 - K) / 255 and so on; YCbCr and HSV are converted;
- a TIFF whose bands are no grey or red, green and blue, or that Pillow is known to read wrong, is refused;
  with ``bands`` or ``stretch`` files come through ``erkt.data.rasters`` instead, by GDAL, and none of these
  rules apply;
- 32-bit integers and floats are refused: their range is in no file either. So are other colour spaces;
- ``center_crop`` cuts the central square (an odd pixel goes right or below), ``squash`` cuts nothing;
- Pillow's resampling filter brings it to the side. Images of that side are left as they are.
"""

import io
import math
import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from erkt.data import rasters
from erkt.data.archive import entries, members
from erkt.data.contents import EXPECTED, Contents, first_ten
from erkt.data.index import UNLABELLED, Row, labels_of, order_of, write_index
from erkt.data.parts import parts_in, table_of
from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.files.json_file import write_json
from erkt.files.replace import replace_folder, replace_whole, write_text
from erkt.params.prepare import Prepare, as_recorded

# Decoders for SUFFIXES and no others: what a file is, is told by content, and some decoders start programs.
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_TO_RGB = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"})
_WORKERS = min(8, os.cpu_count() or 1)

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Decoded:
    """uint8 pixels of shape (3, side, side), and width, height (upright) and Pillow's mode of the file."""

    pixels: NDArray[np.uint8]
    width: int
    height: int
    mode: str


def prepare(
    archive: Path, out: Path, settings: Prepare, on_image: Callable[[int, int], None]
) -> dict[str, Any]:
    """Make the folder ``out`` from the images in ``archive``, whole or not at all; return its manifest.

    It holds ``images.npy``, uint8 (N, 3, side, side); ``index.csv``, one row an image, sorted by class and
    filename; ``parts.csv``, the part of each labelled image where the archive has a published split;
    ``manifest.json`` with shape, classes, digests, settings, count a class, and what was left out.
    An image's label is its class's position in the sorted list of classes; those of the folder ``UNLABELLED``
    have none, and are in neither list nor counts of classes. ``on_image(done, total)`` is called after each
    image. Memory is a few images; the array grows on disk.

    Raises ErktError for an archive that ``members`` refuses, two images of one key, fewer than two classes,
    and files that do not decode (with ``undecodable: skip`` only if they are all that a class has).
    """
    contents = Contents(str(archive))
    keys = sorted((key for key, _ in contents.images(entries(archive))), key=order_of)
    contents.check()
    parts = parts_in(members(archive), str(archive))
    class_of = {key: order_of(key)[0] for key in keys}
    label_of = labels_of(class_of.values())
    classes = [name for name in label_of if name != UNLABELLED]
    if len(classes) < 2:
        few = f"{len(keys)} images in {len(classes)} class folders, at least 2 classes are needed"
        raise ErktError(f"{archive}: {few}; {EXPECTED}")
    with replace_folder(out) as folder:
        array, index = folder / "images.npy", folder / "index.csv"
        decoded, failed = _decode_all(archive, keys, contents.names, array, settings, on_image)
        skipped = [{"member": contents.names[key], "reason": failed[key]} for key in keys if key in failed]
        if skipped and settings.undecodable == "refuse":
            named = first_ten([f"{file['member']!r} ({file['reason']})" for file in skipped])
            unusable = f"{len(skipped)} of its images cannot be used: {named}"
            raise ErktError(f"{archive}: {unusable}; repair them, or set prepare.undecodable to skip")
        kept = [key for key in keys if key in decoded]
        counts = Counter(class_of[key] for key in kept)
        for name in classes:
            if not counts[name]:
                raise ErktError(f"{archive}: no image of the class {name!r} can be decoded")
        if skipped:
            _compact(array, [place for place, key in enumerate(keys) if key in decoded])
        write_index(index, [Row(key, class_of[key], label_of[class_of[key]], *decoded[key]) for key in kept])
        manifest = {
            "shape": [len(kept), 3, settings.side, settings.side],
            "classes": classes,
            "counts": {name: counts[name] for name in classes},
            "images_sha256": sha256_file(array),
            "index_sha256": sha256_file(index),
            "settings": as_recorded(settings),
            "skipped": skipped,
            "ignored": len(contents.ignored),
        }
        write_json(folder / "manifest.json", manifest)
        if parts is not None:
            write_text(folder / "parts.csv", table_of({key: parts[key] for key in kept if key in parts}))
    return manifest


def decode(data: bytes, settings: Prepare) -> Decoded:
    """Return an image file's pixels by the rules at the top of the module; ErktError says why it has none."""
    if not data:
        raise ErktError("empty file")
    if settings.bands is not None or settings.stretch is not None:
        picture, mode = rasters.read(data, settings.bands, settings.stretch)
    else:
        picture, mode = _picture(data)
    width, height = picture.size
    if settings.non_square == "center_crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
    resampling = Image.Resampling[settings.filter.upper()]
    picture = picture.convert("RGB").resize((settings.side, settings.side), resampling)
    return Decoded(np.asarray(picture).transpose(2, 0, 1), width, height, mode)


def _picture(data: bytes) -> tuple[Image.Image, str]:
    """Return the file's picture in RGB as Pillow reads it, and the mode that it has there."""
    layout = rasters.layout(data)
    if layout and not layout.trusted:
        raise ErktError(f"{layout}; {rasters.CHOOSE}")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as file:
            file.load()
            mode = file.mode
            image = ImageOps.exif_transpose(file)
    except UnidentifiedImageError:
        raise ErktError(f"{layout}; {rasters.CHOOSE}" if layout else _instead(data)) from None
    except Exception as error:  # Pillow's decoders document no closed set of what they raise for a bad file
        reason = " ".join(str(error).split()) or type(error).__name__
        if layout and "raw mode" in reason:  # what Pillow says of bands and bits that it has no reader for
            reason = f"{layout}; {rasters.CHOOSE}"
        raise ErktError(reason) from error
    return _rgb(image), mode


def _instead(data: bytes) -> str:
    """Return what a file is that is no image; some are left by a download that went wrong."""
    if data.startswith(b"version https://git-lfs.github.com/"):
        return "a pointer of Git LFS in place of an image; fetch the images with git lfs pull"
    if data[:64].lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page in place of an image; download it again"
    return "not an image of a known format"


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # 257 is odd, so adding 128 before the floor rounds to nearest and no value is a tie.
        image = Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.mode not in _TO_RGB:
        raise ErktError(f"pixel mode {image.mode} is not supported; {rasters.CHOOSE}, or 16-bit grey")
    image.info.pop("transparency", None)  # or Pillow looks for a palette entry to stand for it
    return image.convert("RGB")


def in_threads(
    files: Iterable[tuple[str, bytes]], work: Callable[[bytes], T]
) -> Iterator[tuple[str, Future[T]]]:
    """Yield key and ``work(data)`` for each file, in order, with a bounded number ahead under way.

    Pillow decodes and resizes without Python's global lock.
    """
    waiting: deque[tuple[str, Future[T]]] = deque()
    with warnings.catch_warnings(), ThreadPoolExecutor(_WORKERS) as pool:
        # From its limit on Pillow only warns, and refuses at twice that: here the limit is the limit.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for key, data in files:
            waiting.append((key, pool.submit(work, data)))
            if len(waiting) > 4 * _WORKERS:
                yield waiting.popleft()
        yield from waiting


def _decode_all(
    archive: Path,
    keys: Sequence[str],
    names: Mapping[str, str],
    path: Path,
    settings: Prepare,
    on_image: Callable[[int, int], None],
) -> tuple[dict[str, tuple[int, int, str]], dict[str, str]]:
    """Write row i of the array for ``keys[i]``; return width, height, mode by key, and reason by bad key."""
    row = {key: place for place, key in enumerate(keys)}
    key_by_name = {name: key for key, name in names.items()}
    files = ((key_by_name[name], read()) for name, read in members(archive) if name in key_by_name)
    decoded: dict[str, tuple[int, int, str]] = {}
    failed: dict[str, str] = {}
    with path.open("wb") as file:
        start = _begin_array(file, (len(keys), 3, settings.side, settings.side))
        for key, future in in_threads(files, partial(decode, settings=settings)):
            try:
                image = future.result()
            except ErktError as error:
                failed[key] = str(error)
            else:
                file.seek(start + row[key] * image.pixels.size)
                file.write(image.pixels.tobytes())
                decoded[key] = (image.width, image.height, image.mode)
            on_image(len(decoded) + len(failed), len(keys))
    return decoded, failed


def _compact(path: Path, kept: list[int]) -> None:
    """Keep only the rows ``kept`` of the array in ``path``."""
    former = np.lib.format.open_memmap(path, mode="r")
    with replace_whole(path) as temporary, temporary.open("wb") as file:
        _begin_array(file, (len(kept), *former.shape[1:]))
        for position in kept:
            file.write(former[position].tobytes())


def _begin_array(file: BinaryIO, shape: tuple[int, ...]) -> int:
    """Write the header of a uint8 ``.npy`` file and give it its full size; return where the values start.

    Rows are then written, not assigned through a memory map: on a full disk a write raises, a map kills the
    process without a word.
    """
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    start = file.tell()
    file.truncate(start + math.prod(shape))
    return start
