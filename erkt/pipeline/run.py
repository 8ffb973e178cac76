"""Runs a stage: one at a time, tracked, resumed if it is long, and ended in one line whatever happens."""

import os
import sys
from functools import partial

from erkt.errors import ErktError
from erkt.files.replace import remove_leftovers
from erkt.inflight import states, stopping
from erkt.pipeline import lock, paths, resume, together
from erkt.pipeline.cells import Cell
from erkt.pipeline.inputs import inputs_digest
from erkt.pipeline.job import Job, Stage
from erkt.pipeline.params_file import read_params
from erkt.pipeline.tracked import tracked


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
                if "DVC_STAGE" in os.environ:  # by hand, what lies here may be ahead of dvc.lock
                    lock.require_as_recorded(cell, job.params)
                line = _resumed(stage, job, stop) if stage.long else tracked(stage, job)
                if "DVC_STAGE" in os.environ:
                    _require_unchanged(job)
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


def _require_unchanged(job: Job) -> None:
    """Raise ErktError if the cell's inputs are no longer those with which it began.

    DVC hashes code and params after a stage, so it would record the result as made from what lies there now.
    """
    if inputs_digest(job.cell, read_params(paths.PARAMS)) != job.inputs:
        raise ErktError(
            "its params, code or inputs changed while it ran, and DVC would record its result as made from "
            "the new ones; put them back to keep it, or leave them to make it anew, and run dvc repro"
        )


def _resumed(stage: Stage, job: Job, stop: stopping.Stop) -> str:
    """Run the stage from where an earlier run left it, or take the result that one left."""
    from erkt.inflight.checkpoints import FolderCheckpoints  # torch: only long stages need it

    state = states.State(job.store, job.name, job.inputs)

    def work() -> str:
        if (count := together.count(stage, job)) > 1:
            return together.run(job, count, state.folder)
        job.kept = FolderCheckpoints(state.folder, job.runtime.checkpoint_seconds, stop, job.warn)
        return tracked(stage, job)

    return resume.run_or_take(state, job.outputs, work, stop, job.warn)
