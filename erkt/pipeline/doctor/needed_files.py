"""What a run needs from outside: places that params name, and files that no stage makes."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from erkt.data.benchmarks import BENCHMARKS
from erkt.errors import ErktError
from erkt.files.locations import resolve
from erkt.params.protocol import Protocol
from erkt.params.schema import as_dict
from erkt.pipeline import paths
from erkt.pipeline.cells import Cell
from erkt.pipeline.doctor.findings import Finding, ok, problem
from erkt.pipeline.recorded import ran_with


def locations(protocol: Protocol, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a problem for each place that params name and that is not there, or one line that all are.

    What is made from a place, or was pulled, needs it no more.
    """
    seeds, dataset, student = protocol.seeds, protocol.dataset, protocol.student
    params, archive = as_dict(protocol), {paths.ARCHIVE: Cell("download", {})}
    places = [("dataset.location", dataset.location, archive)]
    if dataset.unlabelled is not None:
        places.append(("dataset.unlabelled.location", dataset.unlabelled.location, archive))
    if dataset.parts is not None:
        places.append(("dataset.parts.location", dataset.parts.location, archive))
    students = {paths.student(seed): Cell("distill", {"seed": str(seed)}) for seed in seeds}
    places.append(("student.weights.location", student.weights.location, students))
    for name, teacher in protocol.teachers.items():
        made = {
            paths.teacher(seed, name): Cell("train_teacher", {"seed": str(seed), "teacher": name})
            for seed in seeds
        }
        places.append((f"teachers.{name}.network.weights.location", teacher.network.weights.location, made))
    wanted = {
        key: location
        for key, location, made in places
        if location is not None and not (all(map(Path.exists, made)) and ran_with(params, *made.values()))
    }
    wrong = [finding for key, location in wanted.items() for finding in _trouble(key, location, environment)]
    yield from wrong
    if wanted and not wrong:
        yield ok(f"locations: {', '.join(wanted)} are there")
    if dataset.source == "benchmark" and dataset.location is None and not paths.ARCHIVE.exists():
        benchmark = BENCHMARKS[dataset.name]
        if benchmark.archive is None:
            yield problem(
                f"dataset.location: {benchmark.title} cannot be fetched by a program", benchmark.instructions
            )


def _trouble(key: str, location: str, environment: Mapping[str, str]) -> Iterator[Finding]:
    try:
        resolved = resolve(location, environment)
    except ErktError as error:
        what, _, fix = str(error).partition("; ")
        yield problem(f"{key}: {what}", fix)
        return
    mend = "put it there, or correct the variable or the params"
    try:
        there = "://" in resolved or Path(resolved).exists()
    except OSError as error:  # no right to look, or a name that is too long
        yield problem(f"{key}: {location} cannot be looked at: {error.strerror}", mend)
        return
    if not there:
        yield problem(f"{key}: {location} is {Path(resolved).absolute()}, and nothing is there", mend)


def prerequisites(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Yield a problem for each path that cells need, that is not here and that no cell makes.

    A folder is made by whoever makes something in it, and what lies in a folder by whoever makes that.
    """
    outs = {out for cell in cells for out in cell.outputs()}
    made = outs.union(*(out.parents for out in outs))
    missing: dict[Path, str] = {}
    for cell in cells:
        for dep in map(Path, cell.entry()["deps"]):
            if dep not in made and outs.isdisjoint(dep.parents) and not dep.exists():
                missing.setdefault(dep, cell.name)
    for dep, needing in missing.items():
        yield problem(
            f"pipeline: {dep} is needed by {needing}, is not here and no stage makes it",
            f"git checkout -- {shlex.quote(str(dep))}, or correct dvc.yaml",
        )
    if not missing:
        yield ok(f"pipeline: {len(cells)} cells; all they need is here or will be made")
