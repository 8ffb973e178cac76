"""Runs that DVC keeps as experiments, read from git: what they were made from, and what they hold."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.json_file import parse_json
from erkt.files.table_file import parse_table
from erkt.files.yaml_file import parse_yaml
from erkt.pipeline import paths
from erkt.pipeline.cells import Cell, cells_up_to
from erkt.pipeline.experiments.definition import NEUTRAL, Experiment
from erkt.pipeline.git import git
from erkt.pipeline.recorded import faults

_REFS = "refs/exps/*/*/*"  # refs/exps/<2 of the base commit>/<38 of it>/<name>


@dataclass(frozen=True)
class Run:
    """One experiment of DVC: its name, its commit, and the commit that it started from."""

    name: str
    commit: str
    base: str

    @cached_property
    def params(self) -> dict[str, Any]:
        """The params that it ran with."""
        return self._block(paths.PARAMS)

    @property
    def seeds(self) -> list[int]:
        """Its seeds; none if it is no experiment of this pipeline."""
        with suppress(ErktError):
            return list(self.params.get("seeds") or [])
        return []

    @cached_property
    def lock(self) -> dict[str, Any]:
        """What DVC recorded, by stage."""
        return dict(self._block(paths.LOCK).get("stages") or {})

    def read(self, path: Path, cell: Cell) -> str:
        """Return the text of an output of ``cell``; ErktError if it is not what ``cell`` made."""
        text = self._text(path)
        listed = {out["path"]: out["md5"] for out in self.lock[cell.name]["outs"]}
        if hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() != listed.get(path.as_posix()):
            raise ErktError(f"experiment {self.name}: {path} is not what {cell.name} made")
        return text

    def rows(self, path: Path, cell: Cell) -> list[dict[str, Any]]:
        """Return the rows of an output of ``cell``, JSON or CSV (all text), read in the same way."""
        text, where = self.read(path, cell), f"experiment {self.name}: {path}"
        if path.suffix != ".json":
            return list(parse_table(text.encode(errors="surrogateescape"), where))
        rows: Any = parse_json(text, where)
        return list(rows)

    def faults(self, params: Mapping[str, Any], last_stages: Collection[str]) -> list[str]:
        """Return in words why this is no finished run of ``params`` with the code here; [] if it is.

        It may end with the cells of ``last_stages``.
        """
        try:
            if other := list(_differences(_without_neutral(self.params), _without_neutral(params))):
                return [f"other params: {', '.join(other)}"]
            return faults(self.lock, cells_up_to(params, last_stages), params)
        except ErktError as error:  # it is no experiment of this pipeline
            return [str(error)]

    def _block(self, path: Path) -> dict[str, Any]:
        content = parse_yaml(self._text(path), f"experiment {self.name}: {path}")
        if not isinstance(content, dict):
            raise ErktError(f"experiment {self.name}: {path} holds no block of keys")
        return content

    def _text(self, path: Path) -> str:
        try:
            return git(Path.cwd(), "show", f"{self.commit}:./{path.as_posix()}")
        except ErktError:
            raise ErktError(f"experiment {self.name}: it has no {path}") from None


@dataclass(frozen=True)
class Together:
    """Runs of one row that have all its seeds between them: ``by_seed``, in the row's order."""

    by_seed: Mapping[int, Run]

    @property
    def name(self) -> str:
        """The runs' names, each once."""
        return " ".join(dict.fromkeys(run.name for run in self.by_seed.values()))

    @property
    def base(self) -> str:
        """The commits of their code, each once."""
        return " ".join(dict.fromkeys(run.base for run in self.by_seed.values()))

    @property
    def params(self) -> dict[str, Any]:
        """The row's params."""
        return next(iter(self.by_seed.values())).params | {"seeds": list(self.by_seed)}

    @property
    def archive(self) -> str:
        """DVC's hash of the packed images; ErktError if the runs have others."""
        found = {_archive(run) for run in self.by_seed.values()}
        if len(found) > 1:
            raise ErktError(f"{self.name} were made from images of other content")
        return found.pop()

    @property
    def teachers(self) -> dict[str, str]:
        """DVC's hash of each teacher by its cell and what that read: code, images and params.

        Each seed's from the run that has it here; what else that run holds is of no matter.
        """
        return {
            json.dumps([name, entry["deps"], entry["params"]], sort_keys=True): entry["outs"][0]["md5"]
            for seed, run in self.by_seed.items()
            for name, entry in run.lock.items()
            if name.startswith(f"train_teacher@{seed}-")
        }

    @property
    def source(self) -> str:
        """The params by which the images came."""
        first = next(iter(self.by_seed.values()))
        return json.dumps(first.lock["download"]["params"], sort_keys=True)


def find_runs() -> list[Run]:
    """Return all experiments of this repository, the newest first."""
    form = "--format=%(refname) %(objectname)"
    found = []
    for line in git(Path.cwd(), "for-each-ref", "--sort=-committerdate", form, _REFS).splitlines():
        ref, commit = line.split(" ")
        _, _, first, rest, name = ref.split("/")
        if len(first + rest) == len(commit):  # not DVC's own, such as refs/exps/exec
            found.append(Run(name, commit, first + rest))
    return found


def finished(runs: Iterable[Run], params: Mapping[str, Any], last_stages: Collection[str]) -> Together | None:
    """Return the newest of ``runs`` that together have run ``params`` with the code that lies here.

    To the end of ``last_stages``. A run may have some of the seeds, or more than these, and it
    may belong to another experiment: rows of several tables can be the same run. None if a seed is missing.
    """
    found: dict[int, Run] = {}
    for run in runs:
        new = [seed for seed in run.seeds if seed in params["seeds"] and seed not in found]
        if new and not run.faults({**params, "seeds": run.seeds}, last_stages):
            found |= dict.fromkeys(new, run)
    if len(found) < len(params["seeds"]):
        return None
    return Together({seed: found[seed] for seed in params["seeds"]})


def finished_rows(
    experiment: Experiment, preset: str, runs: Iterable[Run], *, quick: bool
) -> dict[str, Together]:
    """Return the runs of those rows that have run to their end."""
    wanted = {row: experiment.params(preset, row, quick=quick) for row in experiment.rows}
    found = {row: finished(runs, params, experiment.last_stages) for row, params in wanted.items()}
    return {row: run for row, run in found.items() if run is not None}


def trained_twice(rows: Mapping[str, Together]) -> list[str]:
    """Return in words which of ``rows`` have teachers that were trained from the same, but are not the same.

    Bits differ between machines. Then a difference of the rows is partly one of their teachers.
    """
    known: dict[str, tuple[str, str]] = {}
    found = {}
    for row, run in rows.items():
        for read, md5 in run.teachers.items():
            first, other = known.setdefault(read, (md5, row))
            if md5 != first:
                found[row] = f"{other} and {row}: teachers of the same params and images have other bits"
    return list(found.values())


def require_same_images(rows: Mapping[str, Together]) -> None:
    """Raise ErktError if runs read other images from the same place: params name that, as ``$DATA`` does."""
    known: dict[str, tuple[str, str]] = {}
    for run in rows.values():
        first, other = known.setdefault(run.source, (run.archive, run.name))
        if run.archive != first:
            raise ErktError(f"{other} and {run.name} were made from images of other content")


def _archive(run: Run) -> str:
    return str(run.lock["download"]["outs"][0]["md5"])


def _without_neutral(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if key not in NEUTRAL}


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key in sorted({*one, *other}):
        first, second = one.get(key), other.get(key)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            yield from _differences(first, second, f"{prefix}{key}.")
        elif first != second:
            yield f"{prefix}{key}"
