"""What an experiment file says: rows of params beside a preset, over seeds, and the paper's numbers for them."""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from erkt.errors import ErktError
from erkt.files.yaml_file import read_yaml
from erkt.params.schema import Between, Length, Names, build, look_up, nearest

NEUTRAL = ("runtime", "tracking")
"""Sections of params that change no result."""

_DIGITS = 10
_Seeds = Annotated[tuple[Annotated[int, Between(0)], ...], Length(1, distinct=True)]
_Params = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One row of the table: its label, and the params that it sets, by dotted key."""

    label: str
    set: _Params


@dataclass(frozen=True)
class Quick:
    """What ``--quick`` sets instead, to see that everything works: the numbers mean nothing."""

    seeds: _Seeds
    set: _Params


@dataclass(frozen=True)
class Plan:
    """An experiment.

    ``compares: students`` is a table with one row a row; ``networks`` lists teachers, ensemble and student of the
    only row, ``weights`` the ensemble's weights. ``presets`` are those that the paper ran. ``set`` holds for all
    rows, then comes what ``quick`` sets, then the row. In a dotted key ``*`` stands for every name, as in
    ``teachers.*.recipe.epochs``; a value ``{times: 5}`` multiplies what is there, ``{as: base}`` copies what
    another key has then, ``{by_teacher: [1, 0, 0]}`` gives each teacher its own. Differences are taken to the row
    ``reference``. ``paper`` holds the paper's numbers as printed, by preset, and by row or network.
    """

    title: str
    source: str
    compares: Literal["students", "networks", "weights"]
    presets: Annotated[tuple[str, ...], Length(0, distinct=True)]
    seeds: _Seeds
    set: _Params
    rows: Annotated[dict[str, Row], Length(1), Names()]
    reference: str | None
    paper: dict[str, dict[str, str]]
    quick: Quick

    def __post_init__(self) -> None:
        if self.reference is not None and self.reference not in self.rows:
            raise ErktError(f"reference: no row '{self.reference}'{nearest(self.reference, self.rows)}")
        if (self.reference is None) == (self.compares == "students"):
            raise ErktError("reference: a row of students to compare with; null for networks and weights")
        if self.compares != "students" and len(self.rows) > 1:
            raise ErktError(f"rows: {self.compares} are those of one row")
        for preset, numbers in self.paper.items():
            for row in numbers if self.compares == "students" else ():
                if row not in self.rows:
                    raise ErktError(f"paper.{preset}: no row '{row}'{nearest(row, self.rows)}")


def read_plan(path: Path) -> Plan:
    """Return the experiment that the file at ``path`` describes; raise ErktError naming what is wrong."""
    return build(Plan, read_yaml(path), path.name)


def row_params(plan: Plan, name: str, preset: Mapping[str, Any], *, quick: bool) -> dict[str, Any]:
    """Return the whole params of row ``name`` beside ``preset``; ErktError for a key that the preset lacks."""
    changes = [plan.set, *([plan.quick.set] if quick else []), plan.rows[name].set]
    params = copy.deepcopy(dict(preset))
    params["seeds"] = list(plan.quick.seeds if quick else plan.seeds)
    for change in changes:
        for key, value in change.items():
            _set(params, key.split("."), _meant(value, params, key), key)
    return params


def digest(params: Mapping[str, Any]) -> str:
    """Return ten hexadecimal digits that name ``params``, without what changes no result."""
    content = {key: value for key, value in params.items() if key not in NEUTRAL}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _meant(value: object, params: Mapping[str, Any], key: str) -> object:
    """Return the value that a plan's ``as`` or ``by_teacher`` stands for; any other as it is."""
    if isinstance(value, dict) and set(value) == {"as"}:
        return look_up(params, str(value["as"]), f"{key}, as in the preset")
    if isinstance(value, dict) and set(value) == {"by_teacher"}:
        names, given = list(params["teachers"]), value["by_teacher"]
        if not isinstance(given, list) or len(names) != len(given):
            raise ErktError(
                f"{key}: by_teacher needs a list of {len(names)} values, one a teacher of the preset"
            )
        return dict(zip(names, given, strict=True))
    return value


def _set(params: dict[str, Any], parts: list[str], value: object, key: str) -> None:
    name, *rest = parts
    for chosen in list(params) if name == "*" else [name]:
        if chosen not in params:
            raise ErktError(f"{key}: the preset has no '{chosen}'{nearest(chosen, params)}")
        if rest:
            inner = params[chosen]
            if not isinstance(inner, dict):
                raise ErktError(f"{key}: '{chosen}' is no block of keys")
            _set(inner, rest, value, key)
        elif isinstance(value, dict) and set(value) == {"times"}:
            factor = value["times"]
            if not all(isinstance(number, (int, float)) for number in (factor, params[chosen])):
                raise ErktError(f"{key}: times needs a number, and a number to multiply")
            params[chosen] = params[chosen] * factor
        else:
            params[chosen] = copy.deepcopy(value)
