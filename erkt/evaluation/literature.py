"""The literature's accuracies as the paper's Tables 3 to 5 print them."""

import csv
from pathlib import Path

from erkt.errors import ErktError


def read_literature(path: Path, dataset: str, train_percent: float | None) -> list[dict[str, str]]:
    """Return the rows for a dataset and training ratio, as text; none for a published split (None).

    With ``method``, ``reference``, ``parameters_m`` (may be a bound, ``>12.0``, or empty), ``oa``, ``std``.
    Raises ErktError if ``path`` is not readable.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ErktError(f"{path}: not readable: {error.strerror}") from None
    return [row for row in rows if row["dataset"] == dataset and float(row["train_percent"]) == train_percent]


def size_in_millions(row: dict[str, str]) -> float | None:
    """Return the number of parameters, its lower bound where that is given; None if it is not."""
    text = row["parameters_m"].removeprefix(">")
    return float(text) if text else None
