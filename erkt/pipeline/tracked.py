"""A stage's code, run with its mirror in MLflow and its sidecar."""

import gc
import time
from pathlib import Path

from erkt.params.tracking import Tracking
from erkt.pipeline.git import git_state, unusable
from erkt.pipeline.job import Job, Stage
from erkt.tracking import mirror


def tracked(stage: Stage, job: Job) -> str:
    """Run the stage with its mirror in MLflow, then write the sidecar."""
    started = time.perf_counter()
    state = git_state(Path.cwd(), outputs=("data", "metrics", "dvc.lock"))
    if not state and (said := unusable(Path.cwd())):
        job.warn(f"no commit on record: {said}; erkt doctor says what to do")
    with mirror.track(
        job.settings("tracking", Tracking),
        inputs=job.inputs,
        stage=job.name,
        params=job.declared_params(),
        tags=state,
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
