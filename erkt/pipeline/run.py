"""Runs a stage: one at a time, tracked, resumed if it is long, and ended in one line whatever happens."""

import gc
import os
import sys
import time
from functools import partial
from pathlib import Path

from erkt.errors import ErktError
from erkt.files.replace import remove_leftovers
from erkt.inflight import states, stopping
from erkt.params.tracking import Tracking
from erkt.pipeline import lock, paths, resume
from erkt.pipeline.cells import Cell
from erkt.pipeline.git import git_state, unusable
from erkt.pipeline.job import Job, Stage
from erkt.tracking import mirror


def run(stage: Stage, cell: Cell) -> int:
    """Run ``stage`` for ``cell``; return the exit status.

    An ErktError ends in one line on stderr and status 1, an interrupt in one line and status 130.
    """
    with stopping.listen(patient=stage.long) as stop:
        try:
            if "DVC_STAGE" in os.environ:
                stopping.die_with_parent()
                if stopping.adopted_by_init(b"dvc"):
                    raise ErktError("the dvc that started this has ended")
            job = Job(cell)
            waiting = partial(job.warn, "another process runs this stage here; waiting for it to end")
            with states.alone(paths.RUNNING / f"{cell.name}.lock", waiting, lambda: stop.requested):
                for path in job.outputs:
                    remove_leftovers(path)
                stage.tidy(job)
                # Its own stays: dvc.lock may list the bytes of a result that DVC has not cached yet.
                states.collect(job.store, lambda name, result: name != cell.name and lock.holds(name, result))
                line = _resumed(stage, job, stop) if stage.long else _tracked(stage, job)
        except ErktError as error:
            print(f"error: {cell.name}: {error}", file=sys.stderr)
            return 1
        except stopping.Stopped:
            print(
                f"error: {cell.name}: interrupted; what it had done is kept, dvc repro goes on",
                file=sys.stderr,
            )
            return 130
        except KeyboardInterrupt:
            print(f"error: {cell.name}: interrupted", file=sys.stderr)
            return 130
        print(f"{cell.name}: {line}", flush=True)
        return 130 if stop.requested else 0


def _tracked(stage: Stage, job: Job) -> str:
    """Run the stage with its mirror in MLflow, then write the sidecar."""
    started = time.perf_counter()
    if said := unusable(Path.cwd()):
        job.warn(f"no commit on record: {said}; erkt doctor says what to do")
    with mirror.track(
        job.settings("tracking", Tracking),
        inputs=job.inputs,
        stage=job.name,
        params=job.declared_params(),
        tags=git_state(Path.cwd(), outputs=("data", "metrics", "dvc.lock")),
        root=job.root,
        environment=job.environment,
        warn=job.warn,
    ) as job.run:
        gc.freeze()  # nearly all there is by now belongs to modules and stays: no collection need look at it
        gc.enable()
        try:
            line = stage.main(job)
        finally:
            job.close()
    job.write_sidecar(time.perf_counter() - started)
    return line


def _resumed(stage: Stage, job: Job, stop: stopping.Stop) -> str:
    """Run the stage from where an earlier run left it, or take the result that one left."""
    from erkt.inflight.checkpoints import FolderCheckpoints  # torch: only long stages need it

    state = states.State(job.store, job.name, job.inputs)
    kept = FolderCheckpoints(state.folder, job.runtime.checkpoint_seconds, stop, job.warn)

    def work() -> str:
        job.kept = kept
        return _tracked(stage, job)

    return resume.run_or_take(state, job.outputs, work, stop, job.warn)
