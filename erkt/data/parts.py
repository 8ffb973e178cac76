"""The part of each image of a published split, as a table that travels with the images.

It is read once, where the images are packed (``erkt.data.sources.published``), and lies in the archive as
``PARTS_FILE``.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping

from erkt.data.index import order_of
from erkt.errors import ErktError
from erkt.files.table_file import parse_table

PARTS_FILE = ".parts.csv"
"""The archive's member that has the part of each image; no image's name, since it is hidden."""

NAMES = ("train", "val", "test")
COLUMNS = ("key", "part")


def table_of(parts: Mapping[str, str]) -> str:
    """Return key and part of each image as CSV, in the order of the keys."""
    table = io.StringIO()
    rows = sorted(parts.items(), key=lambda row: order_of(row[0]))
    csv.writer(table, lineterminator="\n").writerows([COLUMNS, *rows])
    return table.getvalue()


def read_table(data: bytes, where: str) -> dict[str, str]:
    """Return the part by key that ``table_of`` wrote; ErktError naming ``where`` for anything else."""
    rows = parse_table(data, where)
    if any(tuple(row) != COLUMNS or row["part"] not in NAMES for row in rows):
        raise ErktError(f"{where}: not a table of keys and parts; run download and prepare again")
    return {row["key"]: row["part"] for row in rows}


def parts_in(files: Iterable[tuple[str, Callable[[], bytes]]], where: str) -> dict[str, str] | None:
    """Return the parts that travel with an archive's images; None if there are none."""
    for name, read in files:
        if name == PARTS_FILE:
            return read_table(read(), f"{where}: {PARTS_FILE}")
    return None
