"""A finished run to break: what each cell makes and reads, how long it takes, and copies of all of it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from clone import Clone, forget_object

INSIDE = Path(__file__).parent / "inside"
PATIENCE = 600
"""Seconds after which a command that does not end is a loss."""


@dataclass(frozen=True)
class Cell:
    """A cell of the finished run: outputs with their md5, and dependencies, by path; the seconds it took."""

    name: str
    outs: Mapping[str, str]
    deps: tuple[str, ...]
    seconds: float

    @property
    def stage(self) -> str:
        """The name of its stage."""
        return self.name.partition("@")[0]


class Site:
    """The finished run of a tiny protocol in ``clone``; it is never changed, only copied."""

    def __init__(self, clone: Clone) -> None:
        self.clone = clone
        self.outputs = dict(clone.outputs())

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Each cell by name, in the order of the pipeline."""
        stages = yaml.safe_load((self.clone.folder / "dvc.lock").read_text(encoding="utf-8"))["stages"]
        found = {}
        for name, entry in stages.items():
            sidecar = self.clone.folder / f"metrics/environment/{name.replace('@', '-')}.json"
            found[name] = Cell(
                name,
                {out["path"]: out["md5"] for out in entry["outs"]},
                tuple(dep["path"] for dep in entry["deps"]),
                json.loads(sidecar.read_text(encoding="utf-8"))["seconds"],
            )
        return found

    def copy(self, folder: Path) -> "Broken":
        """Return a copy to break."""
        shutil.copytree(self.clone.folder, folder, symlinks=True)
        return Broken(self, Clone.at(folder))


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    printed: str
    seconds: float


@dataclass
class Broken:
    """A copy of the finished run. ``damaged`` are files that a fault has written, by path in the clone."""

    site: Site
    clone: Clone
    damaged: set[str] = field(default_factory=set)

    def forget(self, cell: str, *, states: bool = True) -> None:
        """Remove what ``cell`` has made, wherever it is kept, so that it has to be made again.

        ``states``: unfinished work and results that DVC has not recorded, too.
        """
        lock_file = self.clone.folder / "dvc.lock"
        lock = yaml.safe_load(lock_file.read_text(encoding="utf-8"))
        for out in lock["stages"].pop(cell)["outs"]:
            self.remove(out["path"])
            forget_object(self.clone.folder / ".dvc/cache/files/md5", out["md5"])
        lock_file.write_text(yaml.safe_dump(lock, sort_keys=False), encoding="utf-8")
        self.remove(".dvc/cache/runs")
        if states:
            self.remove(".inflight")

    def remove(self, path: str) -> None:
        """Remove a file or folder of the clone, if it is there."""
        place = self.clone.folder / path
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)

    def start(
        self,
        *command: str,
        plan: Mapping[str, Any] | None = None,
        through: Sequence[str] = (),
        **variables: str,
    ) -> "Running":
        """Start ``python -m`` of ``command`` in a group of its own; ``plan`` says within which limits.

        ``through`` is a command that runs the one after it.
        """
        environment = self.clone.environment() | {
            "PYTHONPATH": f"{INSIDE}{os.pathsep}{self.clone.folder}",
            "CHAOS": json.dumps(plan or {}),
        }
        return Running(
            subprocess.Popen(
                [*through, sys.executable, "-m", *command],
                cwd=self.clone.folder,
                env=environment | variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )

    def run(self, *command: str, **options: Any) -> Ended:
        """Run ``python -m`` of ``command`` to its end; ``options`` are those of ``start``."""
        return self.start(*command, **options).end()


class Running:
    """A command that runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._started = time.monotonic()

    def lives(self, seconds: float) -> bool:
        """Wait so long, or until it has ended; return whether it has not."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def kill(self) -> None:
        """Kill all of it, and wait until it has gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.end()

    def end(self) -> Ended:
        """Wait until it has ended; raises TimeoutExpired, with all of it killed, if it does not."""
        try:
            printed, _ = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        return Ended(self.process.returncode, printed, time.monotonic() - self._started)
