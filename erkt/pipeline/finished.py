"""The figures of a finished run, from a folder or from a revision of git."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from erkt.errors import ErktError
from erkt.evaluation.paired import Bools, Scores
from erkt.files.json_file import parse_json
from erkt.files.table_file import parse_table
from erkt.pipeline.git import git


@dataclass(frozen=True)
class Finished:
    """OA in percent by seed, of students and ensembles.

    ``hits`` says by seed whether the student is right on each of the test ``images`` (their keys).
    """

    name: str
    students: dict[int, float]
    ensembles: dict[int, float]
    hits: dict[int, Bools]
    images: dict[int, tuple[str, ...]]

    def scores(self) -> Scores:
        """Return the student's OA, to be compared."""
        return Scores(self.name, self.students, self.hits, self.images)


def read_run(place: str, name: str, metrics: str) -> Finished:
    """Return the run whose metrics are in the folder ``place``, or in ``metrics`` of the revision ``place``.

    Raises ErktError naming the file if there is none, or it holds something else than evaluate wrote.
    """
    seeds, read = _folder(Path(place)) if Path(place).is_dir() else _revision(place, metrics)
    students, ensembles, hits, images = {}, {}, {}, {}
    for seed in seeds:
        report, predictions = read(f"evaluate/{seed}.json"), read(f"predictions/{seed}.csv")
        where = f"{place}: evaluate/{seed}.json"
        try:
            records: Any = parse_json(report, where)
            number, rows = int(seed), {row["network"]: row for row in records}
            students[number], ensembles[number] = (float(rows[who]["oa"]) for who in ("student", "ensemble"))
        except (ValueError, KeyError, TypeError) as error:
            raise ErktError(f"{where} is not what evaluate writes ({error!r})") from None
        table = parse_table(predictions.encode(errors="surrogateescape"), f"{place}: predictions/{seed}.csv")
        try:
            images[number] = tuple(row["key"] for row in table)
            hits[number] = np.array([row["student"] == row["actual"] for row in table], dtype=bool)
        except KeyError as error:
            raise ErktError(f"{place}: predictions/{seed}.csv has no column {error}") from None
    if not students:
        raise ErktError(f"{place}: no evaluate/<seed>.json there; give a metrics folder or a revision")
    return Finished(name, students, ensembles, hits, images)


def _folder(root: Path) -> tuple[list[str], Callable[[str], str]]:
    def read(path: str) -> str:
        try:
            return (root / path).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise ErktError(f"{root / path}: not readable: {error.strerror}") from None

    return sorted(path.stem for path in (root / "evaluate").glob("*.json")), read


def _revision(name: str, metrics: str) -> tuple[list[str], Callable[[str], str]]:
    def ask(*words: str) -> str:
        try:
            return git(Path.cwd(), *words)
        except ErktError as error:
            raise ErktError(f"{name}: neither a folder nor a revision with metrics ({error})") from None

    listed = map(PurePosixPath, ask("ls-tree", "--name-only", name, f"{metrics}/evaluate/").splitlines())
    seeds = sorted(path.stem for path in listed if path.suffix == ".json")
    return seeds, lambda path: ask("show", f"{name}:./{metrics}/{path}")
