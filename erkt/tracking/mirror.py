"""Mirrors the run of a stage into MLflow: params, metrics as they come, artifacts, tags.

The files under ``metrics/`` are complete without it, so nothing that goes wrong here may fail a stage:
the first error is told in one warning and ends the tracking of that stage.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erkt.params.tracking import Tracking
from erkt.tracking import mlflow_store
from erkt.tracking.mlflow_run import StoredRun, create, delete_older

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as Found

_SEND_SECONDS = 2.0  # a call takes 10 ms to a file and some 100 ms to a server; epochs can be shorter


class Run:
    """A stage's run as the stage sees it; this one, of a stage that is not tracked, keeps nothing."""

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Keep numbers, with their epoch as ``step`` (then to six digits); may be called however often."""

    def artifact(self, path: Path) -> None:
        """Keep a copy of a file, under its name."""


@contextmanager
def track(
    settings: Tracking,
    *,
    inputs: str,
    stage: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    root: Path,
    environment: Mapping[str, str],
    warn: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Run]:
    """Mirror what happens inside the block into one MLflow run; never raise anything of its own.

    The run ends as the block does: FINISHED, FAILED after an exception, KILLED after KeyboardInterrupt (see
    ``erkt.inflight.stopping`` for signals). Once it has FINISHED, older runs with the same inputs that no commit refers
    to are deleted, as MLflow does it: they can be restored.

    Args:
        settings: whether to track at all, and the name of the experiment.
        inputs: the digest of the stage's inputs; becomes the tag ``erkt.inputs``.
        stage: name of the stage and its cell; becomes the run's name and the tag ``erkt.stage``.
        params: the stage's params; nested ones get dotted names, long values are cut to MLflow's limit.
        tags: more tags; each gets the prefix ``erkt.``.
        root: folder of the default store, ``mlflow.db`` with ``mlartifacts``.
        environment: ``MLFLOW_TRACKING_URI`` names another store, ``DVC_EXP_NAME`` becomes a tag.
        warn: takes the one line that says why tracking stopped.
        clock: seconds from any fixed moment; metrics are sent every 2 s at most, and at the end.
    """
    if not settings.enabled:
        yield Run()
        return
    run = _MlflowRun(warn, clock)
    named = {"inputs": inputs, "stage": stage, **tags}
    if "DVC_EXP_NAME" in environment:
        named["dvc_experiment"] = environment["DVC_EXP_NAME"]
    run.start(settings.experiment, mlflow_store.address(root, environment), params, named)
    try:
        yield run
    except BaseException as error:
        run.end(_status(error))
        raise
    run.end("FINISHED")


class _MlflowRun(Run):
    """The run in MLflow, until the first error."""

    def __init__(self, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._warn, self._clock = warn, clock
        self._failed = False
        self._client: MlflowClient
        self._experiment = ""
        self._found: Found | None = None
        self._stored: StoredRun
        self._sent_at = float("-inf")

    def start(self, experiment: str, uri: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        def connect() -> None:
            self._client, self._experiment = mlflow_store.connect(uri, experiment)

        def make() -> None:
            prefixed = {f"erkt.{name}": text for name, text in tags.items()}
            self._found = create(self._client, self._experiment, tags["stage"], prefixed)
            self._stored = StoredRun(self._client, self._found.info.run_id)

        self._attempt(connect)
        self._attempt(make)
        self._attempt(lambda: self._stored.params(params))

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        self._attempt(lambda: self._stored.metrics(values, step))
        if self._clock() - self._sent_at >= _SEND_SECONDS:
            self._attempt(lambda: self._stored.send())
            self._sent_at = self._clock()

    def artifact(self, path: Path) -> None:
        self._attempt(lambda: self._stored.artifact(path))

    def end(self, status: str) -> None:
        """Send what waits and end the run; a mirror that is not complete ends as FAILED."""
        found = self._found
        if found is None:
            return
        self._attempt(lambda: self._stored.end(status))
        if self._failed:
            self._attempt(lambda: self._client.set_terminated(found.info.run_id, "FAILED"), last=True)
        elif status == "FINISHED":
            self._attempt(lambda: delete_older(self._client, self._experiment, found))

    def _attempt(self, work: Callable[[], object], last: bool = False) -> None:
        """Do ``work``, after an error only if it is the ``last``; turn the first error into the warning."""
        if self._failed and not last:
            return
        try:
            mlflow_store.patiently(work)
        # Broad on purpose: MLflow, SQLAlchemy, requests and the disk raise dozens of types, and whichever
        # it is, hours of training must not end because their mirror could not be written.
        except Exception as error:  # noqa: BLE001
            if not self._failed:
                self._warn(
                    "MLflow keeps nothing more of this stage; its results are not affected, and "
                    f"tracking.enabled: false stops the attempts ({mlflow_store.told(error)})"
                )
            self._failed = True


def _status(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "KILLED"
    return "FINISHED" if isinstance(error, SystemExit) and not error.code else "FAILED"
