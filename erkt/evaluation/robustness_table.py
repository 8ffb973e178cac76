"""The table of accuracies on corrupted images: read back, averaged, and judged. No torch."""

from pathlib import Path
from typing import Any

import numpy as np

from erkt.errors import ErktError
from erkt.files.table_file import read_table


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of ``measure`` in the CSV at ``path``; ErktError if it is missing or something else."""
    try:
        rows = [
            {name: text if name in ("kind", "unit") else float(text) for name, text in row.items()}
            for row in read_table(path)
        ]
        if not {"kind", "strength", "unit", "student", "ensemble"} <= rows[0].keys():
            raise ValueError("columns are missing")
    except (ErktError, ValueError, IndexError) as error:
        raise ErktError(f"{path}: not readable as accuracies ({error}); run dvc repro") from None
    return rows


def means(rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Return one row a network: OA on ``clean`` images, the mean over each kind, and the mean of these."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows if row["kind"] != "none"))
    found = []
    for name in names:
        by_kind = {kind: float(np.mean([row[name] for row in rows if row["kind"] == kind])) for kind in kinds}
        mean = float(np.mean(list(by_kind.values())))
        found.append({"network": name, "clean": rows[0][name], "oa": mean, **by_kind})
    return found


def need_corners(rows: list[dict[str, Any]], names: list[str], points: float = 2.0) -> dict[str, float]:
    """Return by how many points OA on turned images is above that on whole ones, where by ``points`` or more.

    ``rows`` are those of ``measure``. Turned images have black corners, but for multiples of 90 degrees. A
    network that only ever saw those may take whole images for something else.
    """
    turned = [row for row in rows if row["kind"] == "rotation" and row["strength"] % 90]
    gains = {name: float(np.mean([row[name] for row in turned])) - rows[0][name] for name in names}
    return {name: gain for name, gain in gains.items() if gain >= points}
