"""The experiments of this repository: their files, the presets that they vary, and the runs that they have."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.params.schema import nearest
from erkt.pipeline import paths
from erkt.pipeline.experiments.history import Run, faults
from erkt.pipeline.experiments.plan import Plan, digest, read_plan, row_params
from erkt.pipeline.params_file import check_params, read_params


def names_in(folder: Path) -> list[str]:
    """Return the names of the YAML files in ``folder``, in order."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def find_plan(name: str) -> Plan:
    """Return the experiment ``name``; ErktError if there is none, or its file is wrong."""
    return read_plan(_find(paths.EXPERIMENTS, name, "experiment"))


def check_preset(name: str) -> None:
    """Raise ErktError if there is no preset ``name``."""
    _find(paths.PRESETS, name, "preset")


@cache
def find_preset(name: str) -> dict[str, Any]:
    """Return the params of the preset ``name``; ErktError if there is none, or its file is wrong."""
    return read_params(_find(paths.PRESETS, name, "preset"))


def checked_params(name: str, plan: Plan, preset: str, row: str, *, quick: bool) -> dict[str, Any]:
    """Return the whole params of a row beside a preset; ErktError naming what is wrong with them."""
    where = f"experiment {name}, preset {preset}, row {row}"
    own = find_preset(preset)
    try:
        params = row_params(plan, row, own, quick=quick)
    except ErktError as error:
        raise ErktError(f"{where}: {error}") from None
    check_params(params, where)
    return params


def name_of(experiment: str, preset: str, row: str, params: Mapping[str, Any]) -> str:
    """Return the name of a row's run among DVC's experiments."""
    return f"{experiment}-{preset}-{row}-{digest(params)}"


def finished(runs: Iterable[Run], params: Mapping[str, Any]) -> Run | None:
    """Return the newest of ``runs`` that has run to its end with ``params`` and the code that lies here.

    It may belong to another experiment: rows of several tables can be the same run.
    """
    return next((run for run in runs if not faults(run, params)), None)


def _find(folder: Path, name: str, what: str) -> Path:
    names = names_in(folder)
    if name not in names:
        raise ErktError(f"there is no {what} '{name}' in {folder}{nearest(name, names)}")
    return folder / f"{name}.yaml"
