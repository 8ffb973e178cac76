"""What every stage shares: coordinates, params, progress, tracking, metrics, and errors in one line."""

import argparse
import gc
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from erkt import inflight, lineage, stopping, tracking
from erkt.errors import ErktError
from erkt.files import remove_leftovers, write_json
from erkt.params import protocol
from erkt.params.runtime import Runtime
from erkt.params.tracking import Tracking
from erkt.progress import Progress
from erkt.schema import build
from erkt.yaml_file import read_yaml
from stages import declared, locked, paths, resume
from stages.results import epoch_numbers, record_numbers

if TYPE_CHECKING:
    from erkt.checkpoints import FolderCheckpoints

T = TypeVar("T")


class Job:
    """One run of one cell of a stage."""

    def __init__(self, stage: str, cell: Mapping[str, str]) -> None:
        self.stage = stage
        self.cell = dict(cell)
        self.label = "-".join(cell.values())
        self.name = f"{stage}@{self.label}" if cell else stage
        self.environment: Mapping[str, str] = os.environ
        self._params = read_params(paths.PARAMS)
        self.runtime = self.settings("runtime", Runtime)
        self.root = Path(self.environment.get("DVC_ROOT", ".")).resolve()
        self.store = inflight.store(self.root, self.environment)
        self.run: tracking.Run
        self.checkpoints: FolderCheckpoints
        self._shown: dict[str, Progress] = {}
        self._facts: dict[str, Any] = {}

    @cached_property
    def key(self) -> str:
        """The sha256 of the cell's declared inputs as they are when this is first asked for."""
        return declared.stage_key(self.stage, self.cell, self._params)

    @property
    def outputs(self) -> list[Path]:
        """Everything that the cell makes: what it declares, and its sidecar."""
        return [*declared.outputs(self.stage, self.cell), paths.environment(self.name)]

    @property
    def seed(self) -> int:
        """The run's seed, a coordinate."""
        return int(self.cell["seed"])

    def settings(self, key: str, schema: type[T]) -> T:
        """Return the section of params.yaml at the dotted ``key``, checked against ``schema``."""
        return build(schema, self.value(key), key)

    def value(self, key: str) -> Any:
        """Return the raw value of params.yaml at the dotted ``key``."""
        return declared.look_up(self._params, key)

    def declared_params(self) -> dict[str, Any]:
        """Return the params that the stage declares, by dotted key."""
        return {key: self.value(key) for key in declared.stage_entry(self.stage, self.cell)["params"]}

    def progress(self, unit: str) -> Callable[[int, int | None], None]:
        """Return a callable that shows ``done`` of ``total`` units on stderr."""

        def show(done: int, total: int | None) -> None:
            if unit not in self._shown:
                self._shown[unit] = Progress(total, unit=unit, label=self.name)
            self._shown[unit].update(done)

        return show

    def close(self) -> None:
        """Leave the terminal's line, however the stage ends."""
        for progress in self._shown.values():
            progress.close()

    def warn(self, message: str) -> None:
        """Say something on stderr that stops nothing."""
        print(f"{self.name}: {message}", file=sys.stderr)

    def keep_only(self, folder: Path, names: set[str]) -> None:
        """Remove what params no longer name from a gathered folder, so that its hash is a fresh clone's.

        What DVC made stays in its cache and comes back with the params that named it.
        """
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in names:
                self.warn(f"removing {path}: params no longer name it")
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def follow(self, epochs: Iterable[dict[str, float]]) -> list[dict[str, float]]:
        """Run the training loop to its end: mirror each epoch's numbers, return them all."""
        rows = []
        for row in epochs:
            self.run.metrics(*epoch_numbers(row))
            rows.append(row)
        return rows

    def note(self, facts: Mapping[str, Any]) -> None:
        """Keep facts that no stage reads in the stage's sidecar."""
        self._facts |= facts

    def write_records(self, path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows of metrics with the stage's key as a list, the form that DVC plots reads; mirror them."""
        write_json(path, [{"stage": self.name, "key": self.key, **row} for row in rows])
        self.run.metrics(record_numbers(rows))
        self.run.artifact(path)

    def write_sidecar(self, seconds: float) -> None:
        """Write the key, what changes rounding at most, how long it took, and the facts noted."""
        packages = {name: version(name) for name in ("torch", "torchvision", "timm", "numpy", "pillow")}
        sidecar: dict[str, Any] = {"stage": self.name, "key": self.key, "seconds": round(seconds, 1)}
        if hasattr(self, "checkpoints"):
            sidecar |= {"attempts": self.checkpoints.attempts}
            sidecar["seconds"] = round(seconds + self.checkpoints.spent, 1)
        sidecar |= {"python": platform.python_version(), "machine": platform.machine(), "packages": packages}
        sidecar |= {"runtime": self.value("runtime")}
        if "torch" in sys.modules:
            torch = sys.modules["torch"]
            sidecar |= {"threads": torch.get_num_threads(), "gpu": torch.cuda.is_available()}
        write_json(paths.environment(self.name), {**sidecar, "facts": self._facts})


def read_params(path: Path) -> dict[str, Any]:
    """Return the whole of params.yaml, checked in full; raise ErktError naming what is wrong."""
    params = read_yaml(path)
    protocol.check(params, str(path))
    return dict(params)


def run(
    main: Callable[[Job], str],
    coordinates: Sequence[str] = (),
    tidy: Callable[[Job], None] = lambda job: None,
    *,
    long: bool = False,
) -> None:
    """Run ``main`` as the stage of its module, with ``--<coordinate>`` on the command line; exit the process.

    ``tidy`` runs first, before the stage's inputs get their key: it removes what params no longer name.
    ``main`` returns one line: what it made and how well. A ``long`` one goes on from ``job.checkpoints``.
    An ErktError ends in one line on stderr and status 1, an interrupt in one line and status 130.
    """
    stage = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(prog=f"python -m stages.{stage}")
    for name in coordinates:
        parser.add_argument(f"--{name}", required=True)
    cell: dict[str, str] = vars(parser.parse_args())
    for name in {"seed", "block"} & set(cell):
        if not re.fullmatch("0|[1-9][0-9]*", cell[name]):  # one spelling: cells are locked by name
            parser.error(f"--{name} {cell[name]}: expected a whole number, 0 or more, without leading zeros")
    sys.exit(_run(main, stage, cell, tidy, long))


def _run(
    main: Callable[[Job], str],
    stage: str,
    cell: Mapping[str, str],
    tidy: Callable[[Job], None],
    long: bool,
) -> int:
    name = "@".join(filter(None, [stage, "-".join(cell.values())]))
    with stopping.listen(patient=long) as stop:
        try:
            if "DVC_STAGE" in os.environ:
                stopping.die_with_parent()
                if stopping.adopted_by_init(b"dvc"):
                    raise ErktError("the dvc that started this has ended")
            job = Job(stage, cell)
            waiting = partial(job.warn, "another process runs this stage here; waiting for it to end")
            with inflight.alone(paths.RUNNING / f"{name}.lock", waiting, lambda: stop.requested):
                for path in job.outputs:
                    remove_leftovers(path)
                tidy(job)
                # Its own stays: dvc.lock may list the bytes of a result that DVC has not cached yet.
                inflight.collect(
                    job.store,
                    lambda state, result: state != job.name and locked.holds(state, result),
                )
                line = _long(main, job, stop) if long else _tracked(main, job)
        except ErktError as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            return 1
        except stopping.Stopped:
            print(f"error: {name}: interrupted; what it had done is kept, dvc repro goes on", file=sys.stderr)
            return 130
        except KeyboardInterrupt:
            print(f"error: {name}: interrupted", file=sys.stderr)
            return 130
        print(f"{job.name}: {line}", flush=True)
        return 130 if stop.requested else 0


def _tracked(main: Callable[[Job], str], job: Job) -> str:
    """Run ``main`` with its mirror in MLflow, then write the sidecar."""
    started = time.perf_counter()
    with tracking.track(
        job.settings("tracking", Tracking),
        key=job.key,
        stage=job.name,
        params=job.declared_params(),
        tags=lineage.git_state(Path.cwd(), outputs=("data", "metrics", "dvc.lock")),
        root=job.root,
        environment=job.environment,
        warn=job.warn,
    ) as job.run:
        gc.freeze()  # nearly all there is by now belongs to modules and stays: no collection need look at it
        gc.enable()
        try:
            line = main(job)
        finally:
            job.close()
    job.write_sidecar(time.perf_counter() - started)
    return line


def _long(main: Callable[[Job], str], job: Job, stop: stopping.Stop) -> str:
    """Run ``main`` from where an earlier run left it, or take the result that one left."""
    from erkt.checkpoints import FolderCheckpoints  # torch: only long stages need it

    state = inflight.State(job.store, job.name, job.key)
    kept = FolderCheckpoints(state.folder, job.runtime.checkpoint_seconds, stop, job.warn)

    def work() -> str:
        job.checkpoints = kept
        return _tracked(main, job)

    return resume.run_or_take(state, job.outputs, work, stop, job.warn)
