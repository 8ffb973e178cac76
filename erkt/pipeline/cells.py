"""The cells of dvc.yaml: every stage with every combination of its coordinates, and what each declares."""

import itertools
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from erkt.errors import ErktError
from erkt.params import schema
from erkt.pipeline import paths

_SECTIONS = ("deps", "params", "outs", "plots", "metrics")


@dataclass(frozen=True)
class Cell:
    """One cell of a stage: its coordinates by name, as the command line gives them."""

    stage: str
    coordinates: Mapping[str, str]

    @property
    def label(self) -> str:
        """The coordinates as they appear in the names of files; empty without any."""
        return "-".join(self.coordinates.values())

    @property
    def name(self) -> str:
        """The cell's name, which is also DVC's."""
        return f"{self.stage}@{self.label}" if self.coordinates else self.stage

    def entry(self) -> dict[str, Any]:
        """Return ``deps``, ``params``, ``outs``, ``plots``, ``metrics`` with the coordinates filled in."""
        entry = pipeline()[self.stage]
        return {key: self._fill(entry.get(key, [])) for key in _SECTIONS}

    def outputs(self) -> list[Path]:
        """Return everything that the cell declares to make."""
        entry = self.entry()
        listed = [out for section in _SECTIONS[2:] for out in entry[section]]
        return [Path(next(iter(out)) if isinstance(out, dict) else out) for out in listed]

    def _fill(self, value: Any) -> Any:
        if isinstance(value, str):
            for name, coordinate in self.coordinates.items():
                value = value.replace(f"${{item.{name}}}", coordinate)
            return value
        if isinstance(value, dict):
            return {self._fill(key): self._fill(item) for key, item in value.items()}
        return [self._fill(item) for item in value] if isinstance(value, list) else value


def all_cells(params: Mapping[str, Any]) -> list[Cell]:
    """Return the cells that the pipeline has with ``params``, in the order of dvc.yaml.

    An axis of a stage is written ``${key}`` and names a list of ``params``, or a mapping that stands for its
    keys. Raises ErktError if dvc.yaml is not here, or a key is missing.
    """
    cells = []
    for stage, entry in pipeline().items():
        axes: dict[str, str] = entry.get("matrix", {})
        values = [look_up(params, axis.removeprefix("${").removesuffix("}")) for axis in axes.values()]
        for combination in itertools.product(*values):
            cells.append(Cell(stage, dict(zip(axes, map(str, combination), strict=True))))
    return cells


def cells_up_to(params: Mapping[str, Any], last_stages: Collection[str]) -> list[Cell]:
    """Return those of ``all_cells`` that the cells of ``last_stages`` need, and these."""
    cells = all_cells(params)
    makers = upstream(cells)
    waiting, needed = [cell.name for cell in cells if cell.stage in last_stages], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += makers[name]
    return [cell for cell in cells if cell.name in needed]


def upstream(cells: Collection[Cell]) -> dict[str, set[str]]:
    """Return for each of ``cells`` the names of those that make what it reads, or a part of it."""
    makers, inside = defaultdict[Path, set[str]](set), defaultdict[Path, set[str]](set)
    for cell in cells:
        for out in cell.outputs():
            makers[out].add(cell.name)
            for folder in out.parents:
                inside[folder].add(cell.name)
    found = {}
    for cell in cells:
        read = [Path(dep) for dep in cell.entry()["deps"]]
        whole = [makers.get(path, set()) for dep in read for path in (dep, *dep.parents)]
        parts = [inside.get(dep, set()) for dep in read]
        found[cell.name] = set().union(*whole, *parts)
    return found


def pipeline() -> dict[str, Any]:
    """Return dvc.yaml's stages by name; ErktError if it is not here or holds none."""
    if not paths.PIPELINE.is_file():
        raise ErktError(f"{paths.PIPELINE}: not here; run this in the root of the repository")
    try:
        return dict(_parsed(paths.PIPELINE.read_text(encoding="utf-8"))["stages"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ErktError(
            f"{paths.PIPELINE}: not readable as a pipeline: {' '.join(str(error).split())}"
        ) from None


def look_up(params: Mapping[str, Any], key: str) -> Any:
    """Return the value at the dotted ``key`` of params.yaml; raise ErktError if there is none."""
    return schema.look_up(params, key, str(paths.PARAMS))


@lru_cache(maxsize=1)
def _parsed(text: str) -> dict[str, Any]:
    """Return dvc.yaml's content; it takes a tenth of a second, and a protocol may have hundreds of cells."""
    content: dict[str, Any] = yaml.safe_load(text)
    return content
