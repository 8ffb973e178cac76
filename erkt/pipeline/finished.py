"""The figures of a finished run, from a folder or from a revision of git."""

import csv
import io
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from erkt.errors import ErktError


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
    source: _Source = _Folder(Path(place)) if Path(place).is_dir() else _Revision(place, metrics)
    students, ensembles, images = {}, {}, {}
    for file in source.names("evaluate"):
        try:
            seed = int(PurePosixPath(file).stem)
            rows = {row["network"]: row for row in json.loads(source.text(f"evaluate/{file}"))}
            students[seed], ensembles[seed] = float(rows["student"]["oa"]), float(rows["ensemble"]["oa"])
            table = csv.DictReader(io.StringIO(source.text(f"predictions/{seed}.csv")))
            images[seed] = tuple(row["key"] for row in table)
        except (ValueError, KeyError, TypeError) as error:
            raise ErktError(f"{place}: evaluate/{file} is not what evaluate writes ({error!r})") from None
    if not students:
        raise ErktError(f"{place}: no evaluate/<seed>.json there; give a metrics folder or a revision")
    return Finished(name, students, ensembles, images)


class _Source(Protocol):
    def names(self, folder: str) -> list[str]: ...

    def text(self, path: str) -> str: ...


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self._root / folder).glob("*.json"))

    def text(self, path: str) -> str:
        try:
            return (self._root / path).read_text(encoding="utf-8")
        except OSError as error:
            raise ErktError(f"{self._root / path}: not readable: {error.strerror}") from None


class _Revision:
    def __init__(self, revision: str, metrics: str) -> None:
        self._revision, self._metrics = revision, metrics

    def names(self, folder: str) -> list[str]:
        listed = self._git("ls-tree", "--name-only", self._revision, f"{self._metrics}/{folder}/")
        return sorted(PurePosixPath(line).name for line in listed.splitlines() if line.endswith(".json"))

    def text(self, path: str) -> str:
        return self._git("show", f"{self._revision}:{self._metrics}/{path}")

    def _git(self, *words: str) -> str:
        try:
            done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
        except OSError as error:
            raise ErktError(f"{self._revision}: no such folder, and git does not run: {error}") from None
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["git failed"])[0]
            raise ErktError(f"{self._revision}: neither a folder nor a revision with metrics ({reason})")
        return done.stdout
