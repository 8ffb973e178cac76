"""Mirrors the run of a stage into MLflow: params, metrics as they come, artifacts, tags.

The files under ``metrics/`` are complete without it, so nothing that goes wrong here may fail a stage: the
first error is told in one warning and ends the tracking of that stage.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from erkt.params.tracking import Tracking
from erkt.tracking import mlflow_store
from erkt.tracking.mlflow_run import StoredRun

T = TypeVar("T")

_SEND_SECONDS = 2.0  # epochs can be shorter; a call takes 10 ms to a file and some 100 ms to a server


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
) -> Iterator[Run]:
    """Mirror what happens inside the block into one MLflow run; never raise anything of its own.

    The run ends as the block does: FINISHED, FAILED after an exception, KILLED after KeyboardInterrupt (see
    ``erkt.inflight.stopping`` for signals). Once it has FINISHED, older runs with the same inputs that no
    commit refers to are deleted, as MLflow does it: they can be restored.

    Args:
        settings: whether to track at all, and the name of the experiment.
        inputs: the digest of the stage's inputs; becomes the tag ``erkt.inputs``.
        stage: name of the stage and its cell; becomes the run's name and the tag ``erkt.stage``.
        params: the stage's params; nested ones get dotted names, long values are cut to MLflow's limit.
        tags: more tags; each gets the prefix ``erkt.``.
        root: folder of the default store, ``mlflow.db`` with ``mlartifacts``.
        environment: ``MLFLOW_TRACKING_URI`` names another store, ``DVC_EXP_NAME`` becomes a tag.
        warn: takes the one line that says why tracking stopped.
    """
    named = {"inputs": inputs, "stage": stage, **tags}
    if "DVC_EXP_NAME" in environment:
        named["dvc_experiment"] = environment["DVC_EXP_NAME"]

    def make() -> StoredRun:
        client, experiment = mlflow_store.connect(
            mlflow_store.address(root, environment), settings.experiment
        )
        prefixed = {f"erkt.{name}": text for name, text in named.items()}
        return StoredRun(client, client.create_run(experiment, tags=prefixed, run_name=stage))

    stored = _attempt(make, warn) if settings.enabled else None
    if stored is None:
        yield Run()
        return
    run = _MlflowRun(stored, warn)
    run.params(params)
    try:
        yield run
    except BaseException as error:
        run.end(_status(error))
        raise
    run.end("FINISHED")


class _MlflowRun(Run):
    """The run in MLflow, until the first error."""

    def __init__(self, stored: StoredRun, warn: Callable[[str], None]) -> None:
        self._stored, self._warn = stored, warn
        self._failed = False
        self._sent_at = float("-inf")

    def params(self, params: Mapping[str, Any]) -> None:
        self._attempt(lambda: self._stored.params(params))

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        self._attempt(lambda: self._stored.metrics(values, step))
        if time.monotonic() - self._sent_at >= _SEND_SECONDS:
            self._attempt(self._stored.send)
            self._sent_at = time.monotonic()

    def artifact(self, path: Path) -> None:
        self._attempt(lambda: self._stored.artifact(path))

    def end(self, status: str) -> None:
        """Send what waits and end the run; a mirror that is not complete ends as FAILED."""
        self._attempt(lambda: self._stored.end(status))
        if self._failed:
            with suppress(Exception):  # told once already
                mlflow_store.patiently(self._stored.fail)
        elif status == "FINISHED":
            self._attempt(self._stored.delete_others)

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do ``work`` unless something went wrong before."""

        def warn(message: str) -> None:
            self._failed = True
            self._warn(message)

        if not self._failed:
            _attempt(work, warn)


def _attempt(work: Callable[[], T], warn: Callable[[str], None]) -> T | None:
    """Return what ``work`` returns; turn an error into the warning and None."""
    try:
        return mlflow_store.patiently(work)
    # Broad on purpose: MLflow, SQLAlchemy, requests and the disk raise dozens of types, and whichever it is,
    # hours of training must not end because their mirror could not be written.
    except Exception as error:  # noqa: BLE001
        warn(
            "MLflow keeps nothing more of this stage; its results are not affected, and "
            f"tracking.enabled: false stops the attempts ({mlflow_store.told(error)})"
        )
        return None


def _status(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "KILLED"
    return "FINISHED" if isinstance(error, SystemExit) and not error.code else "FAILED"
