"""Check up on machine and repository before a long run; change nothing.

One line a finding: ok, note (it will do), problem (mend it first), the latter two with what to do. The exit status
is 1 if there is a problem. Takes some seconds: what gives no answer is not waited for.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.artifacts import MANIFEST, WEIGHTS
from erkt.inflight import states
from erkt.params.protocol import Protocol
from erkt.pipeline import lock, paths
from erkt.pipeline.cells import Cell, all_cells
from erkt.pipeline.doctor import (
    dvc_remote,
    dvc_side,
    inputs,
    machine,
    space,
    state,
    step_time,
    tracker,
    versions,
)
from erkt.pipeline.doctor.findings import Finding, ok, problem
from erkt.pipeline.doctor.question import Question
from erkt.pipeline.inputs import inputs_digest
from erkt.pipeline.params_file import check_params, read_params
from erkt.tracking import mlflow_store

_SECONDS = 5.0
_MEASURED_SIDE = 128  # in pixels; larger images take longer and say the same
_PYPROJECT = Path("pyproject.toml")


def arguments(parser: ArgumentParser) -> None:
    """Take no arguments."""


def run(options: Namespace) -> int:
    """Print the findings as they come, then how many of them ask for something."""
    counts = {"ok": 0, "note": 0, "problem": 0}
    for finding in Checkup(Path.cwd(), os.environ).findings():
        print(finding, flush=True)
        counts[finding.level] += 1
    print(f"problems: {counts['problem']}, notes: {counts['note']}")
    return 1 if counts["problem"] else 0


class Checkup:
    """All checks of the repository at ``root``, the working folder."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root, self._environment = root, environment
        self._store = states.store(root, environment)
        self._link, self._cache = "copy", root / ".dvc/cache"  # until DVC has said otherwise

    def findings(self) -> Iterator[Finding]:
        """Yield the findings; questions that may take long are asked first and heard later."""
        with ExitStack() as open_questions:
            ask = open_questions.enter_context
            dvc = ask(Question(dvc_side.look, self._root))
            left = ask(Question(state.look, self._store, [self._root / "data", self._root / paths.METRICS]))
            try:
                self._protocol  # noqa: B018  # what params say decides on most of what follows
                yield ok(f"params: {paths.PARAMS} is valid: {self._protocol.dataset.name}")
            except ErktError as error:
                yield problem(
                    f"params: {error}", f"correct {paths.PARAMS}; what depends on it was not checked"
                )
                yield from self._software()
                yield from self._dvc(dvc)
                return
            mlflow = None
            if self._protocol.tracking.enabled:
                mlflow = ask(Question(tracker.look, self._address, self._protocol.tracking.experiment))
            yield from self._software()
            yield from self._machine()
            yield from self._inputs()
            yield from self._dvc(dvc)
            yield from self._tracking(mlflow)
            yield from self._state(left)
            folders = {"workspace": self._root, "DVC cache": self._cache, "in-flight": self._store}
            if self._address.startswith("sqlite:///"):
                folders["MLflow store"] = Path(self._address.removeprefix("sqlite:///")).parent
            yield from self._space(ask(Question(space.look, folders)))

    @cached_property
    def _params(self) -> dict[str, Any]:
        return read_params(paths.PARAMS)

    @cached_property
    def _protocol(self) -> Protocol:
        return check_params(self._params, str(paths.PARAMS))

    @cached_property
    def _cells(self) -> list[Cell]:
        return all_cells(self._params)

    @cached_property
    def _prepared(self) -> space.Data | None:
        return space.prepared(self._protocol, paths.PREPARED / MANIFEST)

    @property
    def _address(self) -> str:
        return mlflow_store.address(self._root, self._environment)

    def _software(self) -> Iterator[Finding]:
        try:
            software = versions.look(_PYPROJECT)
        except ErktError as error:
            yield problem(f"versions: {error}", f"git checkout -- {_PYPROJECT}")
            return
        yield from versions.findings(software)
        installed = software.installed
        yield from versions.pair(
            installed.get("torch"), installed.get("torchvision"), versions.load_operations()
        )

    def _machine(self) -> Iterator[Finding]:
        try:
            device = machine.look_device(self._protocol.runtime)
        except (ImportError, OSError):
            return  # torch does not load, which the versions have told
        yield from machine.device_findings(device)
        yield from machine.core_findings(machine.look_cores(self._environment))
        if device.chosen:
            student, side = self._protocol.student.arch, self._protocol.prepare.side
            # What networks and versions are wrong is told elsewhere.
            with suppress(ImportError, OSError, RuntimeError, AssertionError, ValueError):
                steps = step_time.look(student, min(side, _MEASURED_SIDE), device.chosen)
                yield from step_time.findings(steps, self._protocol.distill.recipe.precision)

    def _inputs(self) -> Iterator[Finding]:
        try:
            listed = [_files(cell) for cell in self._cells]
            yield from inputs.prerequisites(listed, lambda path: Path(path).exists())
        except ErktError as error:
            yield problem(f"pipeline: {error}", f"git checkout -- {paths.PIPELINE}")
        made = self._made()
        seeds = len(self._protocol.seeds)
        archive = made["archive"] > 0
        places = inputs.locations(
            self._protocol, lambda name: archive if name == "dataset" else made[name] == seeds
        )
        yield from inputs.location_findings(places, self._root, self._environment)
        yield from inputs.benchmark_findings(self._protocol, archive)

    def _dvc(self, question: Question) -> Iterator[Finding]:
        try:
            repository: dvc_side.Repository = question.answer(_SECONDS)
        except ErktError as error:
            yield problem(
                f"DVC: {error}", "see dvc config --list and dvc doctor; a cache on a dead mount is silent"
            )
            return
        self._link, self._cache = repository.cache.link, repository.cache.folder
        yield from dvc_side.findings(repository)
        remote: dvc_remote.Remote | None = None
        try:
            remote = question.answer(_SECONDS)
            yield from dvc_remote.findings(remote, question.answer(_SECONDS))
        except ErktError as error:
            yield dvc_remote.unusable(remote, str(error))

    def _tracking(self, question: Question | None) -> Iterator[Finding]:
        if question is None:
            yield ok("MLflow: not used (tracking.enabled: false)")
            return
        try:
            yield tracker.findings(self._address, question.answer(_SECONDS))
        except ErktError as error:
            yield tracker.silent(self._address, str(error))

    def _state(self, question: Question) -> Iterator[Finding]:
        try:
            states, left = question.answer(_SECONDS)
        except ErktError as error:
            yield problem(
                f"in-flight: {self._store}: {error}", "mount it, or set ERKT_INFLIGHT to a folder on disk"
            )
            return
        kept = [
            state.Kept(found, running, self._is_present(found), _is_recorded(found))
            for found, running in states
        ]
        yield from state.state_findings(self._store, kept)
        yield from state.left_findings(left)

    def _is_present(self, found: states.Found) -> bool | None:
        """Return whether a cell as it is now would go on from this state; None if its inputs are not all here."""
        try:
            cell = next((cell for cell in self._cells if cell.name == found.stage), None)
            if cell is None:
                return False
            key = inputs_digest(cell, self._params)
        except ErktError:
            return None
        return states.State(self._store, cell.name, key).folder == found.folder

    def _space(self, question: Question) -> Iterator[Finding]:
        try:
            places: list[space.Place] = question.answer(_SECONDS)
        except ErktError as error:
            yield problem(f"space: what is free cannot be told: {error}", "see df; a mount may be dead")
            return
        data = self._prepared or space.expected(self._protocol)
        if data is None:
            yield from space.unknown(self._protocol.dataset.name, places)
            return
        try:
            networks = {
                name: space.network_of(arch, data.classes) for name, arch in self._architectures().items()
            }
        except ErktError as error:
            yield problem(f"networks: {error}", "correct arch; timm.list_models() has the names")
            return
        except (ImportError, OSError, RuntimeError):
            return  # timm does not load, which the versions have told
        listed = space.needs(self._protocol, data, networks, self._made())
        in_flight = space.checkpoints(self._protocol, data, networks)
        yield from space.findings(listed, in_flight, self._link, places)

    def _architectures(self) -> dict[str, str]:
        teachers = {name: teacher.network.arch for name, teacher in self._protocol.teachers.items()}
        return {**teachers, "student": self._protocol.student.arch}

    def _made(self) -> dict[str, int]:
        """Return how many of each artifact are here, as ``space.needs`` counts them."""
        seeds, names = self._protocol.seeds, list(self._protocol.teachers)
        blocks = self._protocol.cache.blocks
        weights = {name: [paths.teachers(seed) / name / WEIGHTS for seed in seeds] for name in names}
        weights["student"] = [paths.student(seed) / WEIGHTS for seed in seeds]
        logits = [
            paths.teaching(seed) / name / str(block) for seed in seeds for name in names for block in blocks
        ]
        files = {**weights, "logits": logits, "archive": [paths.ARCHIVE]}
        here = {name: sum(path.exists() for path in listed) for name, listed in files.items()}
        return {**here, "images": int(self._prepared is not None)}


def _files(cell: Cell) -> inputs.Cell:
    """Return what a cell needs and makes."""
    needed = cell.entry()["deps"]
    made = cell.outputs()
    return inputs.Cell(cell.name, tuple(needed), tuple(path.as_posix() for path in made))


def _is_recorded(found: states.Found) -> bool:
    if not found.finished:
        return False
    with suppress(ErktError):
        return lock.holds(found.stage, states.read_result(found.folder))
    return False
