"""Runs that DVC keeps as experiments, read from git: what they were made from, and what they hold."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.yaml_file import parse_yaml
from erkt.pipeline import paths, revision
from erkt.pipeline.cells import Cell, all_cells, look_up
from erkt.pipeline.experiments.plan import NEUTRAL
from erkt.pipeline.lock import code_md5

_REFS = "refs/exps/*/*/*"  # refs/exps/<2 of the base commit>/<38 of it>/<name>
CODE = ("erkt", "stages")
"""Folders whose files are code; other dependencies are data."""


@dataclass(frozen=True)
class Run:
    """One experiment of DVC: its name, its commit, and the commit that it started from."""

    name: str
    commit: str
    base: str

    def text(self, path: Path) -> str:
        """Return the file at ``path`` as it is in this run; ErktError if it has none."""
        try:
            return revision.git(Path.cwd(), "show", f"{self.commit}:{path.as_posix()}")
        except ErktError:
            raise ErktError(f"experiment {self.name}: it has no {path}") from None

    @cached_property
    def params(self) -> dict[str, Any]:
        """The params that it ran with."""
        return dict(parse_yaml(self.text(paths.PARAMS), f"experiment {self.name}: {paths.PARAMS}"))

    @cached_property
    def lock(self) -> dict[str, Any]:
        """What DVC recorded, by stage."""
        content = parse_yaml(self.text(paths.LOCK), f"experiment {self.name}: {paths.LOCK}")
        try:
            return dict(content["stages"])
        except (KeyError, TypeError, ValueError):
            raise ErktError(f"experiment {self.name}: {paths.LOCK} holds no stages") from None

    def recorded(self, path: Path, cell: Cell) -> str:
        """Return an output of ``cell`` that git keeps; ErktError if it is not what DVC recorded."""
        text = self.text(path)
        listed = {out["path"]: out["md5"] for out in self.lock[cell.name]["outs"]}
        if hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() != listed.get(path.as_posix()):
            raise ErktError(f"experiment {self.name}: {path} is not what {cell.name} made")
        return text

    def rows(self, path: Path, cell: Cell) -> list[dict[str, Any]]:
        """Return the rows of an output of ``cell``, JSON or CSV (all text), checked as ``recorded`` does."""
        text = self.recorded(path, cell)
        return json.loads(text) if path.suffix == ".json" else list(csv.DictReader(io.StringIO(text)))


def find_runs() -> list[Run]:
    """Return all experiments of this repository, the newest first."""
    form = "--format=%(refname) %(objectname)"
    lines = revision.git(Path.cwd(), "for-each-ref", "--sort=-committerdate", form, _REFS).splitlines()
    found = []
    for line in lines:
        ref, commit = line.split(" ")
        _, _, first, rest, name = ref.split("/")
        if len(first + rest) == len(commit):  # not DVC's own, such as refs/exps/exec
            found.append(Run(name, commit, first + rest))
    return found


def faults(run: Run, params: Mapping[str, Any]) -> list[str]:
    """Return in words why ``run`` is not a finished run of ``params`` with the code that lies here; [] if it is."""
    try:
        return _faults(run, params)
    except ErktError as error:  # it is no experiment of this pipeline
        return [str(error)]


def _faults(run: Run, params: Mapping[str, Any]) -> list[str]:
    own = {key: value for key, value in run.params.items() if key not in NEUTRAL}
    wanted = {key: value for key, value in params.items() if key not in NEUTRAL}
    if own != wanted:
        return [f"other params: {', '.join(_differences(own, wanted))}"]
    found = []
    for cell in all_cells(params):
        if cell.name not in run.lock:
            found.append(f"{cell.name} did not run")
            continue
        found += _cell_faults(run.lock[cell.name], cell, params)
    return found


def _cell_faults(record: Mapping[str, Any], cell: Cell, params: Mapping[str, Any]) -> list[str]:
    entry = cell.entry()
    found = []
    used = record.get("params", {}).get(paths.PARAMS.as_posix(), {})
    if any(used.get(key) != look_up(params, key) for key in entry["params"]):
        found.append(f"{cell.name} ran with other params")
    made_from = {dep["path"]: dep["md5"] for dep in record["deps"]}
    for dep in entry["deps"]:
        if dep.startswith(CODE) and made_from.get(dep) != _here(dep):
            found.append(f"{cell.name} ran with another {dep}")
    made = {out["path"] for out in record["outs"]}
    missing = [path for path in cell.outputs() if path.as_posix() not in made]
    return found + [f"{cell.name} made no {path}" for path in missing]


@cache
def _here(dep: str) -> str:
    return code_md5(Path(dep))


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> Sequence[str]:
    found: list[str] = []
    for key in sorted({*one, *other}):
        first, second = one.get(key), other.get(key)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            found += _differences(first, second, f"{prefix}{key}.")
        elif first != second:
            found.append(f"{prefix}{key}")
    return found
