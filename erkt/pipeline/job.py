"""One run of one cell of a stage: what a stage's ``main`` is handed."""

import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from erkt.files.csv_file import write_csv
from erkt.files.digests import Sha256
from erkt.files.json_file import write_json
from erkt.files.replace import remove
from erkt.inflight import states
from erkt.machine.progress import Progress
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.pipeline import paths
from erkt.pipeline.cells import Cell, look_up
from erkt.pipeline.inputs import inputs_digest
from erkt.pipeline.params_file import read_params
from erkt.pipeline.results import epoch_numbers, record_numbers
from erkt.tracking import mirror

if TYPE_CHECKING:
    from erkt.inflight.checkpoints import FolderCheckpoints  # torch, which only long stages need
    from erkt.training.ranks import Ranks

T = TypeVar("T")


class Job:
    """Coordinates, params and places of the run, and where it reports to.

    ``params`` are those of params.yaml, unless they have been read already.
    """

    def __init__(self, cell: Cell, params: Mapping[str, Any] | None = None) -> None:
        self.cell = cell
        self.name = cell.name
        self.environment: Mapping[str, str] = os.environ
        self.params = read_params(paths.PARAMS) if params is None else params
        self.runtime = self.settings("runtime", Runtime)
        self.root = Path(self.environment.get("DVC_ROOT", ".")).resolve()
        self.store = states.store(self.root, self.environment)
        self.run = mirror.Run()
        self.kept: FolderCheckpoints | None = None
        self.group: Ranks | None = None
        self._shown: dict[str, Progress] = {}
        self._facts: dict[str, Any] = {}

    @cached_property
    def inputs(self) -> Sha256:
        """The sha256 of the cell's declared inputs as they are when this is first asked for."""
        return inputs_digest(self.cell, self.params)

    @property
    def outputs(self) -> list[Path]:
        """Everything that the cell makes: what it declares, and its sidecar."""
        return [*self.cell.outputs(), paths.environment(self.name)]

    @property
    def seed(self) -> int:
        """The run's seed, a coordinate."""
        return int(self.cell.coordinates["seed"])

    @property
    def teacher(self) -> str:
        """The teacher's name, a coordinate."""
        return self.cell.coordinates["teacher"]

    @property
    def block(self) -> int:
        """The number of the block of views, a coordinate."""
        return int(self.cell.coordinates["block"])

    @property
    def checkpoints(self) -> "FolderCheckpoints":
        """Where a long stage keeps what it has done; others have none."""
        if self.kept is None:
            raise TypeError(f"{self.name} is not declared as long")
        return self.kept

    @property
    def ranks(self) -> "Ranks":
        """The processes that work on the cell together."""
        from erkt.training.ranks import ALONE  # torch

        return self.group or ALONE

    def settings(self, key: str, schema: type[T]) -> T:
        """Return the section of params.yaml at the dotted ``key``, checked against ``schema``."""
        return build(schema, self.value(key), key)

    def value(self, key: str) -> Any:
        """Return the raw value of params.yaml at the dotted ``key``."""
        return look_up(self.params, key)

    def declared_params(self) -> dict[str, Any]:
        """Return the params that the stage declares, by dotted key."""
        return {key: self.value(key) for key in self.cell.entry()["params"]}

    def progress(self, unit: str) -> Callable[[int, int | None], None]:
        """Return a callable that shows ``done`` of ``total`` units on stderr."""

        def show(done: int, total: int | None) -> None:
            if unit not in self._shown:
                self._shown[unit] = Progress(total, unit=unit, label=self.name, done=done)
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
                remove(path)

    def write_curve(self, path: Path, epochs: Iterable[dict[str, float]]) -> str:
        """Run the training loop to its end; mirror each epoch, write all, return the last."""
        rows = []
        for row in epochs:
            self.run.metrics(*epoch_numbers(row))
            rows.append(row)
        write_csv(path, rows)
        self.run.artifact(path)
        self.note(rows[-1])
        return ", ".join(f"{key} {value:.4g}" for key, value in rows[-1].items())

    def note(self, facts: Mapping[str, Any]) -> None:
        """Keep facts that no stage reads in the stage's sidecar."""
        self._facts |= facts

    def write_records(self, path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows of metrics with the stage's inputs, in the form of DVC plots; mirror them."""
        write_json(path, [{"stage": self.name, "inputs": self.inputs, **row} for row in rows])
        self.run.metrics(record_numbers(rows))
        self.run.artifact(path)

    def write_sidecar(self, seconds: float) -> None:
        """Write the inputs' digest, what changes rounding at most, how long it took, and the facts noted."""
        packages = {name: version(name) for name in ("torch", "torchvision", "timm", "numpy", "pillow")}
        sidecar: dict[str, Any] = {"stage": self.name, "inputs": self.inputs, "seconds": round(seconds, 1)}
        if self.kept is not None:
            sidecar |= {"attempts": self.kept.attempts, "seconds": round(seconds + self.kept.spent, 1)}
        sidecar |= {"python": platform.python_version(), "machine": platform.machine(), "packages": packages}
        sidecar |= {"runtime": self.value("runtime")}
        if "torch" in sys.modules:  # else the stage had no use for it, and importing it takes seconds
            from erkt.machine.device import in_force

            sidecar |= in_force()
        write_json(paths.environment(self.name), {**sidecar, "facts": self._facts})


@dataclass(frozen=True)
class Stage:
    """A stage's code.

    ``main`` returns one line: what it made and how well. ``tidy`` runs first, before the digest of the
    stage's inputs is taken: it removes what params no longer name. A ``long`` stage goes on from
    ``job.checkpoints``. ``recipe`` is the key of the recipe by which it trains, with coordinates in braces:
    as many processes as that says run ``main`` together, each with ``job.ranks``.
    """

    main: Callable[[Job], str]
    tidy: Callable[[Job], None] = lambda job: None
    long: bool = False
    recipe: str | None = None
