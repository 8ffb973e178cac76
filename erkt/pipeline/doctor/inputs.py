"""What a run needs from outside: places that params name, and files that no stage makes."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from erkt.data.benchmarks import BENCHMARKS
from erkt.errors import ErktError
from erkt.files.locations import resolve
from erkt.params.protocol import Protocol
from erkt.pipeline.doctor.findings import Finding, note, ok, problem

_SHOWN = 3


@dataclass(frozen=True)
class Location:
    """A place that ``key`` of the params names; ``folder``: whether it must be one (None: either will do).

    ``made``: what is made from it is here already.
    """

    key: str
    location: str
    folder: bool | None
    made: bool


@dataclass(frozen=True)
class Cell:
    """A cell of the pipeline: its name, and the files and folders that it needs and makes."""

    name: str
    deps: tuple[str, ...]
    outs: tuple[str, ...]


def locations(protocol: Protocol, made: Callable[[str], bool]) -> list[Location]:
    """Return all places that ``protocol`` names; ``made(name)`` says whether a network or 'dataset' is made."""
    found = []
    if protocol.dataset.location is not None:
        folder = {"folder": True, "benchmark": None}.get(protocol.dataset.source, False)
        found.append(Location("dataset.location", protocol.dataset.location, folder, made("dataset")))
    networks = {f"teachers.{name}.network": (name, one.network) for name, one in protocol.teachers.items()}
    for key, (name, network) in {**networks, "student": ("student", protocol.student)}.items():
        if network.weights.location is not None:
            found.append(Location(f"{key}.weights.location", network.weights.location, False, made(name)))
    return found


def location_findings(
    places: Sequence[Location], root: Path, environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield what is wrong with the places, one finding each, or one line that they are all there.

    A place whose product is made already is not needed now, and only noted.
    """
    wrong = []
    for place in places:
        trouble = _trouble(place, root, environment)
        if trouble and place.made:
            what = f"{place.key}: {trouble[0]}; what is made of it is here, so nothing stops now"
            wrong.append(note(what, trouble[1]))
        elif trouble:
            wrong.append(problem(f"{place.key}: {trouble[0]}", trouble[1]))
    if places and not wrong:
        yield ok(f"locations: {', '.join(place.key for place in places)} are there")
    yield from wrong


def benchmark_findings(protocol: Protocol, made: bool) -> Iterator[Finding]:
    """Yield a problem for a benchmark that no program can fetch, has no location, and is not ``made`` yet."""
    benchmark = BENCHMARKS.get(protocol.dataset.name)
    if protocol.dataset.source != "benchmark" or benchmark is None or made:
        return
    if benchmark.archive is None and protocol.dataset.location is None:
        yield problem(
            f"dataset.location: {benchmark.title} cannot be fetched by a program", benchmark.instructions
        )


def prerequisites(cells: Sequence[Cell], exists: Callable[[str], bool]) -> Iterator[Finding]:
    """Yield a problem for each path that cells need, that is not here and that no cell makes; or that all is well.

    A folder is made by whoever makes something in it, and what lies in a folder by whoever makes that.
    """
    outs = {out for cell in cells for out in cell.outs}
    made = outs | {str(parent) for out in outs for parent in Path(out).parents}
    missing: dict[str, list[str]] = {}
    for cell in cells:
        for dep in cell.deps:
            if (
                dep not in made
                and not outs & {str(parent) for parent in Path(dep).parents}
                and not exists(dep)
            ):
                missing.setdefault(dep, []).append(cell.name)
    for dep, names in missing.items():
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield problem(
            f"pipeline: {dep} is needed by {', '.join(names[:_SHOWN])}{more}, is not here and no stage makes it",
            f"git checkout -- {shlex.quote(dep)}, or correct dvc.yaml",
        )
    if not missing:
        yield ok(f"pipeline: {len(cells)} cells; all they need is here or will be made")


def _trouble(place: Location, root: Path, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return what is wrong with a place and what to do, or None."""
    try:
        resolved = resolve(place.location, environment)
    except ErktError as error:
        what, _, fix = str(error).partition("; ")
        return what, fix
    if "://" in resolved:
        return None
    path = root / resolved
    shown = f"{place.location} is {path}" if place.location != str(path) else str(path)
    if not path.exists():
        return f"{shown}, and nothing is there", "put it there, or correct the variable or the params"
    if place.folder is not None and path.is_dir() != place.folder:
        kinds = ("a folder", "a file") if place.folder else ("a file", "a folder")
        return f"{shown}, expected {kinds[0]}, found {kinds[1]}", "correct the variable or the params"
    return None
