"""Tables as CSV in UTF-8 with a header: read as text, every row with every cell."""

import csv
import io
from pathlib import Path

from erkt.errors import ErktError


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of the table at ``path`` by column; ErktError if it is missing or none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ErktError(f"{path}: no such file") from None
    except OSError as error:
        raise ErktError(f"{path}: not readable as a table ({error.strerror})") from None
    return parse_table(data, str(path))


def parse_table(data: bytes, where: str) -> list[dict[str, str]]:
    """Return the rows of a table; ErktError naming ``where`` if it is none, or a row has other cells."""
    try:
        header, *rows = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True)) or [[]]
    except (ValueError, csv.Error) as error:
        raise ErktError(f"{where}: not readable as a table ({error})") from None
    if len(set(header)) < len(header):
        raise ErktError(f"{where}: not readable as a table (a column is there twice)")
    for number, row in enumerate(rows, start=1):
        if row and len(row) != len(header):
            raise ErktError(f"{where}: row {number} has {len(row)} cells, expected {len(header)}")
    return [dict(zip(header, row, strict=True)) for row in rows if row]
