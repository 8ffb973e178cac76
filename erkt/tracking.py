"""Mirrors the run of a stage into MLflow: params, metrics as they come, artifacts, tags.

The files under ``metrics/`` are complete without it, so nothing that goes wrong here may fail a stage:
the first error is told in one warning and ends the tracking of that stage.
"""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from erkt import tracking_store
from erkt.errors import ErktError
from erkt.params.tracking import Tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

_SEND_SECONDS = 2.0  # a call takes 10 ms to a file and some 100 ms to a server; epochs can be shorter
_WARNING_LENGTH = 600  # an error of a connection names its cause at the end


class Run:
    """A stage's run as the stage sees it; this one, of a stage that is not tracked, keeps nothing."""

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Keep numbers, with their epoch as ``step``; may be called every epoch, however short."""

    def artifact(self, path: Path) -> None:
        """Keep a copy of a file, under its name."""


@contextmanager
def track(
    settings: Tracking,
    *,
    key: str,
    stage: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    root: Path,
    environment: Mapping[str, str],
    warn: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Run]:
    """Mirror what happens inside the block into one MLflow run; never raise anything of its own.

    The run ends as the block does: FINISHED, FAILED after an exception, KILLED after an interrupt or
    SIGTERM (which this turns into ``SystemExit(143)`` if the program has no handler of its own). Once it
    has FINISHED, older runs with the same key are deleted, as MLflow does it: they can be restored.

    Args:
        settings: whether to track at all, and the name of the experiment.
        key: what identifies the stage's inputs; becomes the tag ``erkt.stage_key``.
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
    named = {"stage_key": key, "stage": stage, **tags}
    if "DVC_EXP_NAME" in environment:
        named["dvc_experiment"] = environment["DVC_EXP_NAME"]
    run.start(settings.experiment, tracking_store.address(root, environment), params, named)
    with _sigterm_as_exception():
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
        self._experiment, self._run_id, self._key, self._started = "", "", "", 0
        self._waiting: list[Metric] = []
        self._sent_at = float("-inf")

    def start(self, experiment: str, uri: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        with self._guarded():
            self._client, self._experiment = tracking_store.connect(uri, experiment)
            from mlflow.entities import Param
            from mlflow.utils.validation import (
                MAX_ENTITY_KEY_LENGTH,
                MAX_PARAM_VAL_LENGTH,
                MAX_PARAMS_TAGS_PER_BATCH,
                MAX_TAG_VAL_LENGTH,
            )

            cut = {f"erkt.{name}": text[:MAX_TAG_VAL_LENGTH] for name, text in tags.items()}
            self._key = cut["erkt.stage_key"]
            info = self._client.create_run(self._experiment, tags=cut, run_name=tags["stage"]).info
            self._run_id, self._started = info.run_id, info.start_time
            flat = {name[:MAX_ENTITY_KEY_LENGTH]: text[:MAX_PARAM_VAL_LENGTH] for name, text in _flat(params)}
            batch = [Param(name, text) for name, text in flat.items()]
            for first in range(0, len(batch), MAX_PARAMS_TAGS_PER_BATCH):
                part = batch[first : first + MAX_PARAMS_TAGS_PER_BATCH]
                self._client.log_batch(self._run_id, params=part, synchronous=True)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        if self._failed:
            return
        with self._guarded():
            from mlflow.entities import Metric

            now = int(time.time() * 1000)
            self._waiting += [
                Metric(_name(name), float(value), now, step or 0) for name, value in values.items()
            ]
            if self._clock() - self._sent_at >= _SEND_SECONDS:
                self._send()

    def artifact(self, path: Path) -> None:
        if self._failed:
            return
        with self._guarded():
            self._client.log_artifact(self._run_id, str(path))

    def end(self, status: str) -> None:
        """Send what waits and end the run; a mirror that is not complete ends as FAILED."""
        if not self._run_id:
            return
        if not self._failed:
            with self._guarded():
                self._send()
        with self._guarded():
            self._client.set_terminated(self._run_id, "FAILED" if self._failed else status)
            if status == "FINISHED" and not self._failed:
                self._delete_older()

    def _send(self) -> None:
        from mlflow.utils.validation import MAX_METRICS_PER_BATCH

        for first in range(0, len(self._waiting), MAX_METRICS_PER_BATCH):
            part = self._waiting[first : first + MAX_METRICS_PER_BATCH]
            self._client.log_batch(self._run_id, metrics=part, synchronous=True)
        self._waiting = []
        self._sent_at = self._clock()

    def _delete_older(self) -> None:
        same_key = f"tags.`erkt.stage_key` = '{self._key}'"
        for other in self._client.search_runs([self._experiment], same_key):
            if other.info.run_id != self._run_id and other.info.start_time <= self._started:
                self._client.delete_run(other.info.run_id)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn the first error into the warning; a later one is not told."""
        try:
            yield
        # Broad on purpose: MLflow, SQLAlchemy, requests and the disk raise dozens of types, and whichever
        # it is, hours of training must not end because their mirror could not be written.
        except Exception as error:  # noqa: BLE001
            if not self._failed:
                kind = "" if isinstance(error, ErktError) else f"{type(error).__name__}: "
                text = re.sub(r"//[^/@\s]+@", "//***@", " ".join(f"{kind}{error}".split()))
                self._warn(
                    "MLflow keeps nothing more of this stage; its results are not affected, and "
                    f"tracking.enabled: false stops the attempts ({text[:_WARNING_LENGTH]})"
                )
            self._failed = True


def _name(name: str) -> str:
    """Return ``name`` with an underscore for each character that MLflow does not take."""
    return re.sub(r"[^\w.\- /]", "_", name)


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names and values as text; what is no string is spelt as JSON, which reads like YAML."""
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield (
                _name(f"{prefix}{name}"),
                value if isinstance(value, str) else json.dumps(value, default=str),
            )


class _Terminated(SystemExit):
    """The process was asked to end by SIGTERM."""


def _status(error: BaseException) -> str:
    if isinstance(error, (KeyboardInterrupt, _Terminated)):
        return "KILLED"
    return "FINISHED" if isinstance(error, SystemExit) and not error.code else "FAILED"


@contextmanager
def _sigterm_as_exception() -> Iterator[None]:
    """Unwind the block at SIGTERM, so that its run can be ended; leave a handler of the program alone."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked worker inherits the handler, but the run is not its own
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        raise _Terminated(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
