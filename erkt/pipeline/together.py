"""A cell of which several processes make one network: each runs the stage, and the first one alone reports.

The stage's own process starts them and waits. It keeps the locks, the state and DVC's attention.
"""

import importlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from erkt.files.digests import Sha256
from erkt.inflight.stopping import Stop
from erkt.pipeline.cells import Cell
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.tracked import tracked


class Beside(Job):
    """The job of a process beside the first: it trains along, and neither writes nor says anything."""

    def progress(self, unit: str) -> Callable[[int, int | None], None]:
        """Return a callable that shows nothing."""
        return lambda done, total: None

    def warn(self, message: str) -> None:
        """Leave it to the first process."""

    def write_curve(self, path: Path, epochs: Iterable[dict[str, float]]) -> str:
        """Run the training loop to its end, and raise Trained: what a stage does then is the first one's."""
        for _ in epochs:
            pass
        raise Trained


class Trained(Exception):  # noqa: N818  # like Stopped: what has happened
    """A process beside the first has nothing more to do."""


def count(stage: Stage, job: Job) -> int:
    """Return how many processes run ``stage`` for the cell of ``job`` together."""
    if stage.recipe is None:
        return 1
    return int(job.value(f"{stage.recipe.format(**job.cell.coordinates)}.processes"))


def run(job: Job, count: int, folder: Path) -> str:
    """Run the stage of ``job`` in ``count`` processes, with its checkpoints in ``folder``; return its line.

    Raises ErktError and Stopped as ``erkt.training.processes.launch`` does.
    """
    from erkt.machine.device import choose  # torch
    from erkt.training.processes import launch

    return launch(count, choose(job.runtime), _work, job.cell, job.params, job.inputs, folder)


def _work(stop: Stop, cell: Cell, params: Mapping[str, Any], inputs: Sha256, folder: Path) -> str:
    """Do one process's part, with the params and inputs that the stage's own process has read."""
    from erkt.inflight.checkpoints import FolderCheckpoints
    from erkt.machine.device import choose, on_host
    from erkt.training.ranks import joined

    stage = importlib.import_module(f"stages.{cell.stage}").STAGE
    job = Job(cell, params) if os.environ["RANK"] == "0" else Beside(cell, params)
    job.inputs = inputs
    device = choose(job.runtime)
    if on_host(device):
        job.warn("on CPUs batch normalisation sees each process's share of a batch, on GPUs all of it")
    with joined(device, share_cores=job.runtime.threads is None) as job.group:
        job.kept = FolderCheckpoints(folder, job.runtime.checkpoint_seconds, stop, job.warn)
        if not isinstance(job, Beside):
            return tracked(stage, job)
        with suppress(Trained):
            stage.main(job)
        return ""
