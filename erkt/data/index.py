"""What a prepared image is called, and the table of all of them.

A key is ``class/filename``: the folder that directly holds the image, and its name. Whatever lies above is
dropped, so one dataset has the same keys however it was packed, and parts that a publisher split
(``train/A0``, ``val/A0``) come together again. Keys are in Unicode's composed form (NFC), because macOS packs
decomposed names.
"""

import csv
import io
import unicodedata
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path, PurePosixPath

from erkt.errors import ErktError
from erkt.files.replace import write_text

UNLABELLED = ".unlabelled"
"""Stands for the class of images that have none. No class has the name of a hidden folder."""
NO_LABEL = -1
"""Stands for the label of an image that has none."""

COLUMNS = ("key", "class", "label", "width", "height", "mode")
SUFFIXES = (".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

# Control characters and line separators would break the lists, surrogates stand for bytes that are no text.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True)
class Row:
    """One image: its key, class name and label, and its size (upright) and pixel mode before preparation.

    Without a class these are ``UNLABELLED`` and ``NO_LABEL``.
    """

    key: str
    class_name: str
    label: int
    width: int
    height: int
    mode: str


def key_of(name: str, place: str) -> str | None:
    """Return the key of the file ``name`` (a relative path with slashes), or None if it is no image's name.

    Not images are: other suffixes than ``SUFFIXES``, hidden files and folders, and ``__MACOSX``; the folder
    ``UNLABELLED``, which the project packs itself, does not count as hidden. ``place`` says in messages where
    the file lies. Raises ErktError for an image without a class folder and for a name with a character that a
    text list cannot carry.
    """
    path = PurePosixPath(name)
    named = path.parts[1:] if path.parts[:-1] == (UNLABELLED,) else path.parts
    if path.suffix.lower() not in SUFFIXES or any(p.startswith(".") or p == "__MACOSX" for p in named):
        return None
    if len(path.parts) < 2:
        raise ErktError(f"{place}: the image {name!r} lies in no class folder")
    if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in name):
        raise ErktError(f"{place}: rename {name!r}: a control character, line break or byte that is no text")
    return unicodedata.normalize("NFC", "/".join(path.parts[-2:]))


def order_of(key: str) -> tuple[str, str]:
    """Return what keys are sorted by: class, then filename, by code points."""
    class_name, _, filename = key.partition("/")
    return class_name, filename


def labels_of(class_names: Iterable[str]) -> dict[str, int]:
    """Return the label of each class, its position in the sorted list; ``UNLABELLED``'s is ``NO_LABEL``."""
    classes = sorted(set(class_names) - {UNLABELLED})
    return {name: label for label, name in enumerate(classes)} | {UNLABELLED: NO_LABEL}


def write_index(path: Path, rows: list[Row]) -> None:
    """Write ``rows`` as CSV with the header ``COLUMNS``; lines end with a line feed."""
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([COLUMNS, *map(astuple, rows)])
    write_text(path, table.getvalue())


def read_index(path: Path) -> tuple[Row, ...]:
    """Return the rows of an index, sorted as it was written.

    Raises ErktError naming the file and row: other columns, a number that is none, a class that is not its
    key's, a label that is not the class's position among all classes, or not ``NO_LABEL`` without a class,
    keys out of order or repeated.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *table = list(csv.reader(file, strict=True)) or [[]]
    except (OSError, ValueError, csv.Error) as error:
        raise ErktError(f"{path}: not readable as an index: {error}") from error
    if tuple(header) != COLUMNS:
        raise ErktError(f"{path}: expected the columns {','.join(COLUMNS)}, found {','.join(header)}")
    labels = labels_of({order_of(row[0])[0] for row in table if row})
    rows: list[Row] = []
    for number, cells in enumerate(table, start=1):
        try:
            key, class_name, label, width, height, mode = cells
            row = Row(key, class_name, int(label), int(width), int(height), mode)
        except ValueError:
            raise ErktError(f"{path}: row {number} is malformed: {','.join(cells)}") from None
        if class_name != order_of(key)[0] or row.label != labels[class_name]:
            raise ErktError(f"{path}: row {number}: class or label do not belong to {key}")
        if rows and order_of(rows[-1].key) >= order_of(key):
            raise ErktError(f"{path}: row {number}: {key} is repeated or out of order")
        rows.append(row)
    return tuple(rows)
