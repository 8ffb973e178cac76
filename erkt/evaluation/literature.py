"""The literature's accuracies as the paper's Tables 3 to 5 print them."""

from pathlib import Path

from erkt.errors import ErktError
from erkt.files.table_file import read_table


def read_literature(path: Path, dataset: str, train_percent: float | None) -> list[dict[str, str]]:
    """Return the rows for a dataset and training ratio, as text; none for a published split (None).

    With ``method``, ``reference``, ``parameters_m`` (may be a bound, ``>12.0``, or empty), ``oa``, ``std``.
    Raises ErktError if ``path`` is not readable.
    """
    found = []
    try:
        for row in read_table(path):
            numbers = size_in_millions(row), float(row["oa"]), float(row["train_percent"])
            if row["dataset"] == dataset and numbers[-1] == train_percent:
                found.append(row)
    except (KeyError, ValueError) as error:
        raise ErktError(f"{path}: not the literature's accuracies ({error!r})") from None
    return found


def size_in_millions(row: dict[str, str]) -> float | None:
    """Return the number of parameters, its lower bound where that is given; None if it is not."""
    text = row["parameters_m"].removeprefix(">")
    return float(text) if text else None
