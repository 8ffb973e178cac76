"""The page of an experiment: the rows of its table, with their differences to the reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from erkt.errors import ErktError
from erkt.evaluation.paired import NOTHING
from erkt.files.table_file import read_table
from erkt.report import words
from erkt.report.charts import Scale, scale
from erkt.report.page import render


@dataclass(frozen=True)
class TableRow:
    """One row: OA in percent over ``runs``, and its difference to the reference in points, if it has one.

    ``low`` and ``high`` are the bounds of the difference, ``verdict`` what they say, ``ensemble`` the OA of
    the row's own ensemble. None is unknown.
    """

    label: str
    oa: float
    std: float | None
    runs: int
    difference: float | None
    low: float | None
    high: float | None
    verdict: str
    ensemble: float | None

    @property
    def ends(self) -> tuple[float, float]:
        """The row's OA less and plus its deviation."""
        reach = self.std or 0.0
        return self.oa - reach, self.oa + reach


def table_page(path: Path) -> str:
    """Return the page of the table whose CSV, as ``erkt tables`` writes it, is at ``path``.

    Its title and command are those of the Markdown beside it, if that is there. Raises ErktError if the file
    is missing, or holds no table of students or networks.
    """
    table = read_table(path)
    rows = [_row(row, path, number) for number, row in enumerate(table, start=1)]
    if not rows:
        raise ErktError(f"{path}: holds no row")
    title, command = _named(path)
    minus = [row for row in rows if row.difference is not None]
    references = [row for row in rows if row.difference is None]
    reference = references[0] if minus and len(references) == 1 else None
    against = reference.label if reference else "the reference at as many steps" if minus else None
    return render(
        "table.html",
        title=title,
        command=command,
        rows=rows,
        reference=reference,
        against=against,
        part="test" if {"ensemble", "network"} & table[0].keys() else "validation",  # as searches have it
        verdict=_verdict(rows, against),
        scale=scale([end for row in rows for end in row.ends], (0.0, 100.0)),
        differences=_differences(minus),
        deviation=any(row.std is not None for row in rows),
        ensembles=any(row.ensemble is not None for row in rows),
        level=_level(table),
    )


def _row(row: Mapping[str, str], path: Path, number: int) -> TableRow:
    label = row.get("label") or row.get("network")
    if label is None or "oa" not in row or "runs" not in row:
        raise ErktError(
            f"{path}: holds no table of students or networks: it needs the columns label (or network), oa "
            "and runs, as erkt experiment writes them"
        )
    if row.get("steps"):
        label = f"{label}, {row['steps']} steps"
    try:

        def number_of(column: str) -> float | None:
            return float(row[column]) if row.get(column) else None

        return TableRow(
            label=label,
            oa=float(row["oa"]),
            std=number_of("std"),
            runs=int(row["runs"]),
            difference=number_of("difference"),
            low=number_of("low"),
            high=number_of("high"),
            verdict=row.get("verdict") or "",
            ensemble=number_of("ensemble"),
        )
    except (ValueError, TypeError) as error:
        raise ErktError(f"{path}: row {number} is malformed ({error})") from None


def _named(path: Path) -> tuple[str, str | None]:
    """Return the title and the command in the Markdown beside a CSV, else the file's name."""
    try:
        lines = path.with_suffix(".md").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return path.stem, None
    title = next((line[2:].replace("`", "") for line in lines if line.startswith("# ")), path.stem)
    return title, next((line.strip() for line in lines if line.startswith("    ")), None)


def _verdict(rows: Sequence[TableRow], against: str | None) -> list[str]:
    """Return a sentence about the best row, and one for each kind of difference to ``against``."""
    best = max(rows, key=lambda row: row.oa)
    text = f"The highest is {best.label}, with {words.percent(best.oa, 2)}"
    text += (
        f" ± {best.std:.2f} over {words.count(best.runs, 'run')}." if best.std is not None else " in one run."
    )
    found = [text]
    if against:
        for verdict, said in (("higher", "better"), ("lower", "worse")):
            names = [row.label for row in rows if row.verdict == verdict]
            if names:
                found.append(f"Shown to be {said} than {against}: {words.listed(names)}.")
        open_ones = [row.label for row in rows if row.verdict == NOTHING]
        if open_ones:
            found.append(f"No difference to {against} is shown for {words.listed(open_ones)}.")
    return found


def _differences(rows: Sequence[TableRow]) -> Scale | None:
    """Return the axis of the differences, with 0 on it; None without any."""
    values = [value for row in rows for value in (row.difference, row.low, row.high) if value is not None]
    return scale([*values, 0.0]) if values else None


def _level(table: Sequence[Mapping[str, str]]) -> str:
    """Return the level of the intervals in percent, which older tables do not say: 95 for each row."""
    levels = {row["level"] for row in table if row.get("level")}
    return f"{float(levels.pop()):.4g}" if len(levels) == 1 else "95"
