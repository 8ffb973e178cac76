"""A table of images and labels: a CSV file with the columns ``path`` and ``label``."""

import csv
import os
from pathlib import Path

from erkt.data.index import key_of
from erkt.data.sources.packing import OnBytes, pack
from erkt.errors import ErktError

_COLUMNS = ("path", "label")


def pack_table(table: Path, target: Path, on_bytes: OnBytes) -> None:
    """Pack the images that the CSV file ``table`` lists as ``label/filename``, as ``pack_folder`` does.

    The file is UTF-8 with the header ``path,label``; a relative path starts at the table's folder. Rows are
    numbered with the header as row 1; empty ones are skipped.

    Raises ErktError naming the row: other columns, a cell too many or too few, an empty label or one that
    cannot be a folder's name, a file that is missing or no image by its name, an image that is listed twice,
    two images of one label and file name.
    """
    images: dict[str, Path] = {}
    row_of: dict[str | Path, int] = {}
    for number, (name, label) in _rows(table):
        place = f"{table}: row {number}"
        path = table.parent / os.path.normpath(name)
        key = _key(name, label, place)
        for known, what in ((path, "the same image"), (key, "another image of this label and file name")):
            if known in row_of:
                raise ErktError(
                    f"{place}: {name!r} is {what} as in row {row_of[known]}; remove or rename one"
                )
            row_of[known] = number
        if not path.is_file():
            raise ErktError(f"{place}: no file {str(path)!r}; a relative path starts at the table's folder")
        images[key] = path
    if not images:
        raise ErktError(f"{table}: lists no images")
    total = sum(path.stat().st_size for path in images.values())
    pack(((key, path.read_bytes) for key, path in images.items()), target, total, on_bytes)


def _rows(table: Path) -> list[tuple[int, tuple[str, str]]]:
    """Return number, path and label of each row."""
    if not table.is_file():
        raise ErktError(f"{table}: no such file; location is the CSV file for source: csv")
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets begin theirs with a mark
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
    except (OSError, ValueError, csv.Error) as error:
        raise ErktError(f"{table}: not readable as CSV in UTF-8: {error}") from error
    if sorted(header) != sorted(_COLUMNS):
        raise ErktError(
            f"{table}: expected the columns {','.join(_COLUMNS)}, found {','.join(header) or 'none'}"
        )
    first, second = (header.index(name) for name in _COLUMNS)
    found = []
    for number, cells in enumerate(rows, start=2):
        if cells and len(cells) != len(_COLUMNS):
            raise ErktError(f"{table}: row {number}: {len(cells)} cells, expected {len(_COLUMNS)}")
        if cells:
            found.append((number, (cells[first], cells[second])))
    return found


def _key(name: str, label: str, place: str) -> str:
    filename = name.rpartition("/")[2]
    if not label.strip():
        raise ErktError(f"{place}: the label is empty")
    if label != label.strip():
        raise ErktError(f"{place}: the label {label!r} begins or ends with a space")
    if "/" in label or "\\" in label or label.startswith(".") or label == "__MACOSX":
        raise ErktError(f"{place}: the label {label!r} cannot be a folder's name; no slash, no leading dot")
    key = key_of(f"{label}/{filename}", place)
    if key is None:
        raise ErktError(f"{place}: {filename!r} does not end as an image does, or is hidden")
    return key
