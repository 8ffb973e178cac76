"""Experiment files: rows of params beside presets, their seeds, and the paper's numbers for them."""

import copy
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from erkt.errors import ErktError
from erkt.files.yaml_file import read_yaml
from erkt.params.schema import Between, Length, Names, build, nearest
from erkt.pipeline import paths
from erkt.pipeline.params_file import check_params, read_params

NEUTRAL = ("page", "runtime", "tracking")
"""Sections of params that change no result."""

_DIGITS = 10
_LEFT_OUT: dict[str, Any] = {
    "set": {},
    "rows": {"all": {"label": "all", "set": {}}},
    "part": "test",
    "reference": None,
    "paper": {},
}
"""What a file means that leaves these keys out."""

_REFERENCE = re.compile(r"(?:(?P<times>\d+) \* )?\$\{(?:(?P<file>[^:}]+):)?(?P<key>[\w.-]+)\}")


@dataclass(frozen=True)
class Row:
    """One row of the table: its label, and the params that it sets, by dotted key."""

    label: str
    set: dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """What ``experiments/<name>.yaml`` says.

    ``compares: students`` is a table with one row a row, each compared with the row ``reference``. ``curve``
    is one of OA against training steps: rows that share a label are a curve, and each is compared with that
    row labelled ``reference`` which has as many steps. ``networks`` lists teachers, ensemble and student of
    the only row, ``weights`` the ensemble's weights. ``part: validation`` is a search: its runs end before
    anything reads a test image, and its rows are the students', or with ``compares: ensembles`` the
    ensembles', on the validation part.
    ``presets`` are those beside which it runs unless others are asked for. ``set`` holds for all rows, then
    comes what the row sets. A value ``${key}`` copies what the params have at ``key`` by then,
    ``${file:key}`` what that file has there, and ``5 * ${key}`` is five times as much. ``paper`` holds the
    paper's numbers as printed, by preset, then by row or network.
    """

    name: str
    title: str
    source: str
    compares: Literal["students", "curve", "ensembles", "networks", "weights"]
    part: Literal["test", "validation"]
    presets: Annotated[tuple[str, ...], Length(1, distinct=True)]
    seeds: Annotated[tuple[Annotated[int, Between(0)], ...], Length(1, distinct=True)]
    set: dict[str, Any]
    rows: Annotated[dict[str, Row], Length(1), Names()]
    reference: str | None
    paper: dict[str, dict[str, str]]

    def __post_init__(self) -> None:
        searches = self.part == "validation"
        if self.compares != "students" and searches != (self.compares == "ensembles"):
            raise ErktError("part: validation is for students and ensembles, and ensembles for validation")
        if (self.reference is None) == (self.compares in ("students", "curve") and not searches):
            raise ErktError(
                "reference: a row of students to compare with on the test part, or a label of a curve; "
                "none for all else"
            )
        if self.reference is None and not searches and len(self.rows) > 1:
            raise ErktError(f"rows: {self.compares} are those of one row")
        labels = {row.label for row in self.rows.values()}
        if self.compares == "curve" and self.reference not in labels:
            raise ErktError(f"reference: no label '{self.reference}'{nearest(str(self.reference), labels)}")
        named = {}
        if self.reference is not None:
            named["reference"] = [self.reference] if self.compares == "students" else []
            named |= {f"paper.{preset}": list(numbers) for preset, numbers in self.paper.items()}
        for where, rows in named.items():
            for name in rows:
                if name not in self.rows:
                    raise ErktError(f"{where}: no row '{name}'{nearest(str(name), self.rows)}")
        for name, row in self.rows.items():
            if "seeds" in (*self.set, *row.set):
                raise ErktError(f"rows.{name}: all rows have the experiment's own seeds; set none there")

    @property
    def last_stages(self) -> tuple[str, ...]:
        """The stages that a run ends with: those that tables and claims read. No picture is drawn."""
        if self.part == "test":
            return ("measure", "summarize")
        return ("distill",) if self.compares == "students" else ("search_weights",)

    def params(self, preset: str, row: str, *, quick: bool) -> dict[str, Any]:
        """Return the whole params of ``row`` beside ``preset``; ErktError naming what is wrong with them."""
        where = f"experiment {self.name}, preset {preset}, row {row}"
        params = copy.deepcopy(find_preset(preset))
        params["seeds"] = list(self.seeds)
        if quick:
            _cut(params)
        for key, value in chain(self.set.items(), self.rows[row].set.items()):
            _set(params, key, value, where)
        check_params(params, where)
        if self.compares == "weights" and not params["report"]["test_sweep"]:
            raise ErktError(f"{where}: it compares weights on the test part; set report.test_sweep: true")
        if self.compares == "curve" and params["split"]["train_percent"] is None:
            raise ErktError(f"{where}: no record tells the steps of a published split, so it has no curve")
        return params

    def run_name(self, preset: str, row: str, params: Mapping[str, Any]) -> str:
        """Return the name of a row's run among DVC's experiments."""
        return f"{self.name}-{preset}-{row}-{digest(params)}"


def names_in(folder: Path) -> list[str]:
    """Return the names of the YAML files in ``folder``, in order."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


@cache
def find_preset(name: str) -> dict[str, Any]:
    """Return the params of the preset ``name``; ErktError if there is none, or its file is wrong."""
    return read_params(_find(paths.PRESETS, name, "preset"))


def find_experiment(name: str) -> Experiment:
    """Return the experiment ``name``; ErktError if there is none, or its file is wrong."""
    path = _find(paths.EXPERIMENTS, name, "experiment")
    content = read_yaml(path)
    if not isinstance(content, dict) or "name" in content:
        raise ErktError(f"{path}: expected a block of keys; the experiment's name is the file's")
    return build(Experiment, _LEFT_OUT | content | {"name": name}, path.name)


def digest(params: Mapping[str, Any]) -> str:
    """Return ten hexadecimal digits that name ``params``, without what changes no result."""
    content = {key: value for key, value in params.items() if key not in NEUTRAL}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _find(folder: Path, name: str, what: str) -> Path:
    names = names_in(folder)
    if name not in names:
        raise ErktError(f"there is no {what} '{name}' in {folder}{nearest(name, names)}")
    return folder / f"{name}.yaml"


def _cut(params: dict[str, Any]) -> None:
    """Leave so little that a run only shows that everything works."""
    params["seeds"] = [0]
    for teacher in params["teachers"].values():
        teacher["recipe"]["epochs"] = 5
    params["distill"]["recipe"]["epochs"] = 25  # more than the views of any row that sets these alone
    params["cache"] |= {"blocks": [0], "views_per_block": 5}


def _set(params: dict[str, Any], key: str, value: object, where: str) -> None:
    block, name = _find_key(params, key, where)  # a row changes what is there, and adds nothing
    reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if reference:
        source = read_params(Path(reference["file"])) if reference["file"] else params
        holder, last = _find_key(source, reference["key"], f"{where}: {key}")
        value = holder[last]
        if reference["times"]:
            if not isinstance(value, (int, float)):
                raise ErktError(f"{where}: {key}: {reference['key']} is no number to multiply")
            value = int(reference["times"]) * value
    block[name] = copy.deepcopy(value)


def _find_key(params: dict[str, Any], key: str, where: str) -> tuple[dict[str, Any], str]:
    """Return the block that holds the dotted ``key``, and the key's name there."""
    holder = params
    found: Any = params
    for name in key.split("."):
        if not isinstance(found, dict) or name not in found:
            hint = nearest(name, found) if isinstance(found, dict) else ""
            raise ErktError(f"{where}: {key}: there is no '{name}'{hint}")
        holder, found = found, found[name]
    return holder, name
