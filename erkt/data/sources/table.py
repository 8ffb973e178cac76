"""A table of images: a CSV file with the columns ``path`` and ``label``, or of ``path`` alone."""

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from erkt.data.archive import check_distinct
from erkt.data.index import UNLABELLED, key_of
from erkt.data.sources.packing import OnBytes, pack_files
from erkt.data.sources.published import Published
from erkt.errors import ErktError

PART = "split"
"""The column that has the part of each image, where ``dataset.parts`` asks for it."""


def pack_table(
    table: Path, target: Path, on_bytes: OnBytes, published: Published | None = None
) -> dict[str, int]:
    """Pack the images that the CSV file ``table`` lists, as ``pack_folder`` does; return {}, as it does."""
    images = images_listed(table, published)
    pack_files(images, target, on_bytes, published.finished(images) if published else None)
    return {}


def images_listed(table: Path, published: Published | None = None) -> dict[str, Path]:
    """Return path by key, ``label/filename``, of the images that the CSV file ``table`` lists.

    The file is UTF-8 with the header ``path,label``, and a column ``split`` where ``published`` takes the
    parts from it; a relative path starts at the table's folder. Rows are named by their line; empty ones are
    skipped.

    Raises ErktError naming the row: other columns, a cell too many or too few, an empty label or one that
    cannot be a folder's name, a file that is missing or no image by its name, an image that is listed twice,
    two images of one label and file name.
    """
    images: dict[str, Path] = {}
    row_of: dict[str | Path, int] = {}
    seen: dict[str, str] = {}
    with_part = published is not None and published.source == "column"
    for number, row in read_rows(table, ("path", "label", PART) if with_part else ("path", "label")):
        name, label = row["path"], row["label"]
        place = f"{table}: row {number}"
        path = table.parent / name  # the system follows links in it; what is written alike is the same
        key, same = _key(name, label, place), Path(os.path.normpath(path))
        for known, what in ((same, "the same image"), (key, "another image of this label and file name")):
            if row_of.setdefault(known, number) != number:
                raise ErktError(
                    f"{place}: {name!r} is {what} as in row {row_of[known]}; remove or rename one"
                )
        if not path.is_file():
            raise ErktError(f"{place}: no file {str(path)!r}; a relative path starts at the table's folder")
        check_distinct(key, place, seen)
        if published is not None:
            published.note(key, row[PART] if with_part else None, place)
        images[key] = path
    if not images:
        raise ErktError(f"{table}: lists no images")
    return images


def read_rows(table: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line and cells of each row of a CSV file that has these ``columns``; ErktError otherwise."""
    if not table.is_file():
        raise ErktError(f"{table}: no such file; location is the CSV file for source: csv")
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets begin theirs with a mark
            rows = csv.DictReader(file, strict=True)
            header = rows.fieldnames or ["none"]
            if sorted(header) != sorted(columns):
                expected = (
                    f"the columns {','.join(columns)}" if len(columns) > 1 else f"the column {columns[0]}"
                )
                raise ErktError(f"{table}: expected {expected}, found {','.join(header)}")
            for row in rows:
                if None in row or None in row.values():
                    raise ErktError(f"{table}: row {rows.line_num}: expected {len(columns)} cells")
                yield rows.line_num, row
    except (OSError, ValueError, csv.Error) as error:
        raise ErktError(f"{table}: not readable as CSV in UTF-8: {error}") from error


def _key(name: str, label: str, place: str) -> str:
    if not label or label != label.strip() or "/" in label or "\\" in label:
        raise ErktError(
            f"{place}: the label {label!r} is no folder's name: empty, or a space at an end or a slash"
        )
    if label == UNLABELLED:
        raise ErktError(f"{place}: the folder {label!r} is reserved for the images of dataset.unlabelled")
    image = f"{label}/{name.rpartition('/')[2]}"
    key = key_of(image, place)
    if key is None:
        raise ErktError(f"{place}: {image!r} is hidden or does not end as an image does")
    return key
