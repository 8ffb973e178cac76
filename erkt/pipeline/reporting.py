"""Which files of a run its page is made from, and what this repository knows of it beside them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.files.json_file import read_json
from erkt.pipeline import paths
from erkt.pipeline.cells import Cell, cells_up_to
from erkt.pipeline.experiments.definition import NEUTRAL
from erkt.pipeline.git import commit_of
from erkt.pipeline.inputs import inputs_digest
from erkt.pipeline.recorded import require_one_run
from erkt.report.facts import RunFiles, SeedFiles
from erkt.report.lineage import Lineage, taught

_MADE = ("data", "metrics", "dvc.lock")
_STALE = (
    "These files are not of the params, code and images that lie here now. Run dvc repro, then erkt report."
)


def run_files(seeds: Sequence[int], teachers: Sequence[str]) -> RunFiles:
    """Return where the files of a run lie, in the folder in which this runs."""
    return RunFiles(
        paths.PREPARED,
        {
            seed: SeedFiles(
                evaluate=paths.metrics("evaluate", str(seed)),
                teachers={name: paths.metrics("evaluate_teacher", f"{seed}-{name}") for name in teachers},
                predictions=paths.predictions(seed),
                robustness=paths.robustness(seed),
                export=paths.export(seed),
                heat=paths.heat(seed),
            )
            for seed in seeds
        },
    )


def lineage(params: Mapping[str, Any]) -> Lineage:
    """Return what the repository in which this runs knows of its run: commit, lock, machines, seconds."""
    sidecars, unknown = _sidecars(params)
    machines = Counter(_machine(sidecar) for sidecar in sidecars)
    packages: dict[str, list[str]] = {}
    seconds: Counter[str] = Counter()
    for sidecar in sidecars:
        seconds[sidecar["stage"].partition("@")[0]] += sidecar["seconds"]
        for name, version in sidecar["packages"].items():
            packages.setdefault(name, [])
            packages[name] += [version] if version not in packages[name] else []
    return Lineage(
        dataset=params["dataset"]["name"],
        params={name: section for name, section in params.items() if name not in NEUTRAL},
        taught=taught(params["distill"]["loss"], params["distill"]["loss_ratio"]),
        commit=commit_of(Path(), _MADE),
        lock=sha256_file(paths.LOCK) if paths.LOCK.is_file() else None,
        machines=tuple(
            f"{machine} ({count} of {len(sidecars)} stages)" for machine, count in machines.items()
        ),
        packages={name: " and ".join(versions) for name, versions in packages.items()},
        seconds=dict(seconds),
        unknown=unknown,
        stale=_STALE if _stale(params) else None,
    )


def _sidecars(params: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Return the sidecars of all cells that the page needs, and how many of these have none of this run.

    One of another run may lie there: that of the commit, where DVC took the cell's outputs from its cache.
    """
    cells = [cell for cell in cells_up_to(params, ["report"]) if cell.stage != "report"]
    found = []
    for cell in cells:
        path = paths.environment(cell.name)
        sidecar = read_json(path) if path.is_file() else {}
        with suppress(ErktError):  # an input is not here any more
            if sidecar.get("inputs") == inputs_digest(cell, params):
                found.append(sidecar)
    return found, len(cells) - len(found)


def _machine(sidecar: Mapping[str, Any]) -> str:
    """Return the machine that a stage ran on, without its name: nobody else needs it."""
    parts = [str(sidecar["machine"])]
    if "gpu" in sidecar:  # else the stage had no use for torch
        parts.append(str(sidecar["gpu"] or "no GPU"))
    if sidecar.get("threads"):
        parts.append(f"{sidecar['threads']} threads")
    return ", ".join([*parts, f"Python {sidecar['python']}"])


def _stale(params: Mapping[str, Any]) -> bool:
    """Return whether what the page is made from is not one run of the params, code and images here.

    False without a dvc.lock, when nothing is known.
    """
    if not paths.LOCK.is_file():
        return False
    cells = [cell for cell in cells_up_to(params, ["report"]) if cell.stage != "report"]
    try:
        require_one_run(cells, Cell("report", {}), params)
    except ErktError:
        return True
    return False
