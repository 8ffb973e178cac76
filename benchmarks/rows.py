"""A row of the benchmarks: one ratio, from rounds in which both things took turns.

    python -m benchmarks.rows metrics/bench-cpu.json

prints the table that a whole make bench printed, with the machine.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from benchmarks.goals import Goal
from erkt.errors import ErktError
from erkt.files.json_file import read_records, write_json
from erkt.pipeline.experiments.page import markdown


@dataclass(frozen=True)
class Row:
    """``ratio`` is the median over the rounds, ``low`` and ``high`` are the smallest and the largest of them.

    A ratio above 1 says that ours is that many times faster than ``against``, or that a limit is kept.
    ``goal`` is what ``ratio`` must reach, or aims at where nothing must be; ``must`` says which. ``note`` may
    say more.
    """

    name: str
    against: str
    size: int
    batch: int
    dtype: str
    threads: int
    ratio: float
    low: float
    high: float
    goal: float | None
    must: bool
    aim: float | None
    rounds: int
    device: str
    torch: str
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether nothing that must be reached is missed."""
        return not self.must or self.goal is None or self.ratio >= self.goal


def row_of(name: str, against: str, ratios: Sequence[float], goal: Goal, **facts: Any) -> Row:
    """Return the row of ``ratios``, one a round; ``facts`` are size, batch, dtype, device, note."""
    spread = {"ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
    target = goal.must if goal.must is not None else goal.aim
    return Row(
        name=name,
        against=against,
        threads=torch.get_num_threads(),
        goal=target,
        must=goal.must is not None,
        aim=goal.aim,
        rounds=len(ratios),
        torch=torch.__version__,
        **{key: round(value, 4) for key, value in spread.items()},
        **facts,
    )


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write ``rows`` as a list in JSON, each as one object."""
    write_json(path, [asdict(one) for one in rows])


def read(path: Path) -> list[Row]:
    """Return the rows that ``write`` wrote; ErktError for a file that is no such list."""
    try:
        return [
            Row(**{field.name: record[field.name] for field in fields(Row)}) for record in read_records(path)
        ]
    except KeyError as error:
        raise ErktError(f"{path}: not made by make bench: a row without {error}") from None


def replaced(rows: Sequence[Row], anew: Sequence[Row]) -> list[Row]:
    """Return ``rows`` with those that were measured anew in their places; ErktError if one is not among them.

    A ratio is measured in one run, so rows of several runs stand beside each other; device and torch must be
    the same.
    """
    found, by_identity = {_identity(row) for row in rows}, {_identity(row): row for row in anew}
    unknown = [row for row in anew if _identity(row) not in found]
    if unknown:
        raise ErktError(f"{unknown[0].name} against {unknown[0].against}: no such row here; run make bench")
    return [by_identity.get(_identity(row), row) for row in rows]


def _identity(row: Row) -> tuple[str | int, ...]:
    return (row.name, row.against, row.size, row.batch, row.dtype, row.device, row.torch)


def table(rows: Sequence[Row]) -> str:
    """Return ``rows`` as a table in Markdown, a line each."""
    return markdown(
        [
            {
                "benchmark": one.name,
                "against": one.against,
                "px": one.size or "",
                "batch": one.batch or "",
                "precision": one.dtype,
                "ratio": f"{one.ratio:.2f}",
                "lowest to highest": f"{one.low:.2f} to {one.high:.2f}",
                "goal": _goal(one),
                "": one.note,
            }
            for one in rows
        ]
    )


def machine(rows: Sequence[Row]) -> str:
    """Return what ``rows`` were measured on, in words."""
    first = rows[0]
    machine = f"{first.device}, {first.threads} threads, torch {first.torch}"
    return f"{machine}; `vsm` and `vsm kornia` with one thread.\n"


def _goal(row: Row) -> str:
    """Return each goal with its own verdict."""
    goals = {"must": row.goal, "aim": row.aim} if row.must else {"aim": row.goal}
    said = [
        f"{kind} {goal:g}: {'reached' if row.ratio >= goal else 'missed'}"
        for kind, goal in goals.items()
        if goal is not None
    ]
    return ", ".join(said) or "reported"


def main() -> None:
    """Print the table of the file that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    try:
        measured = read(parser.parse_args().file)
    except ErktError as error:
        sys.exit(f"error: {error}")
    print(f"{table(measured)}\n{machine(measured)}", end="")


if __name__ == "__main__":
    main()
