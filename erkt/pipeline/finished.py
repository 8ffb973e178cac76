"""The figures of a finished run, from a folder or from a revision of git."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from erkt.errors import ErktError
from erkt.pipeline.git import git


@dataclass(frozen=True)
class Finished:
    """OA in percent of students and ensembles by seed, and the keys of the test images by seed."""

    name: str
    students: dict[int, float]
    ensembles: dict[int, float]
    images: dict[int, tuple[str, ...]]


def read_run(place: str, name: str, metrics: str) -> Finished:
    """Return the run whose metrics are in the folder ``place``, or in ``metrics`` of the revision ``place``.

    Raises ErktError naming the file if there is none, or it holds something else than evaluate wrote.
    """
    seeds, read = _folder(Path(place)) if Path(place).is_dir() else _revision(place, metrics)
    students, ensembles, images = {}, {}, {}
    for seed in seeds:
        report, predictions = read(f"evaluate/{seed}.json"), read(f"predictions/{seed}.csv")
        try:
            number, rows = int(seed), {row["network"]: row for row in json.loads(report)}
            students[number], ensembles[number] = (float(rows[who]["oa"]) for who in ("student", "ensemble"))
            images[number] = tuple(row["key"] for row in csv.DictReader(predictions.splitlines()))
        except (ValueError, KeyError, TypeError) as error:
            raise ErktError(
                f"{place}: evaluate/{seed}.json is not what evaluate writes ({error!r})"
            ) from None
    if not students:
        raise ErktError(f"{place}: no evaluate/<seed>.json there; give a metrics folder or a revision")
    return Finished(name, students, ensembles, images)


def _folder(root: Path) -> tuple[list[str], Callable[[str], str]]:
    def read(path: str) -> str:
        try:
            return (root / path).read_text(encoding="utf-8")
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
    return seeds, lambda path: ask("show", f"{name}:{metrics}/{path}")
