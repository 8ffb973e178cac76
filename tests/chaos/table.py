"""Print the table of campaigns that wrote their faults to CSV files: ``python -m chaos.table FILE...``."""

import csv
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from chaos.verdict import SAME


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows that a campaign wrote: ``kind``, ``where``, ``survived`` and ``how``."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table(rows: Iterable[Mapping[str, str]]) -> str:
    """Return Markdown that counts faults by kind and by how they ended; the last line has all of them."""
    counts: dict[str, list[int]] = {}
    for row in rows:
        same, survived = row["how"] == SAME, row["survived"] == "True"
        for kind in (row["kind"], "all"):
            for column, hit in enumerate((True, same, survived and not same, not survived)):
                counts.setdefault(kind, [0] * 4)[column] += hit
    everything = counts.pop("all", [0] * 4)
    lines = [
        "| kind | faults | the same bits afterwards | refused in a line | lost |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind, numbers in [*counts.items(), ("all", everything)]:
        lines.append(f"| {kind} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(row for name in sys.argv[1:] for row in read(Path(name))), end="")
