"""A table of images: a CSV file with the columns ``path`` and ``label``, or of ``path`` alone."""

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from erkt.data.index import key_of
from erkt.data.sources.packing import OnBytes, pack_files
from erkt.errors import ErktError


def pack_table(table: Path, target: Path, on_bytes: OnBytes) -> None:
    """Pack the images that the CSV file ``table`` lists as ``label/filename``, as ``pack_folder`` does.

    The file is UTF-8 with the header ``path,label``; a relative path starts at the table's folder. Rows are
    named by their line; empty ones are skipped.

    Raises ErktError naming the row: other columns, a cell too many or too few, an empty label or one that
    cannot be a folder's name, a file that is missing or no image by its name, an image that is listed twice,
    two images of one label and file name.
    """
    images: dict[str, Path] = {}
    row_of: dict[str | Path, int] = {}
    for number, row in read_rows(table, ("path", "label")):
        name, label = row["path"], row["label"]
        place = f"{table}: row {number}"
        path = table.parent / os.path.normpath(name)
        key = _key(name, label, place)
        for known, what in ((path, "the same image"), (key, "another image of this label and file name")):
            if row_of.setdefault(known, number) != number:
                raise ErktError(
                    f"{place}: {name!r} is {what} as in row {row_of[known]}; remove or rename one"
                )
        if not path.is_file():
            raise ErktError(f"{place}: no file {str(path)!r}; a relative path starts at the table's folder")
        images[key] = path
    if not images:
        raise ErktError(f"{table}: lists no images")
    pack_files(images, target, on_bytes)


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
    image = f"{label}/{name.rpartition('/')[2]}"
    key = key_of(image, place)
    if key is None:
        raise ErktError(f"{place}: {image!r} is hidden or does not end as an image does")
    return key
