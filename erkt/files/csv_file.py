"""Small tables as CSV: curves, sweeps, per-class numbers, predictions."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from erkt.files.replace import write_text


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write ``rows``, which share their columns, to ``path``; floats with six significant digits.

    ``columns`` names them where there may be no rows.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: f"{cell:.6g}" if isinstance(cell, float) else cell for name, cell in row.items()}
        )
    write_text(path, buffer.getvalue())
