"""MLflow's store: whether it can be used, without making anything in it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from erkt.errors import ErktError
from erkt.pipeline.doctor.findings import Finding, ok, problem
from erkt.tracking.mlflow_store import masked

BUSY_SECONDS = 3.0
_BOUNDS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def look(uri: str, experiment: str) -> Iterator[str | None]:
    """Yield None once the library is loaded, then what is there, in words.

    Changes MLflow's settings in this process. Raises what MLflow and sqlite3 raise if the store cannot be used.
    """
    if uri.startswith(("http://", "https://")):
        os.environ.update(_BOUNDS)
        from mlflow import MlflowClient

        client = MlflowClient(uri)
        yield None
        found = client.get_experiment_by_name(experiment)
        yield "answers" + ("" if found else f"; the experiment {experiment} will be made")
        return
    yield None
    if not uri.startswith("sqlite:///"):
        raise ErktError("stages take sqlite:///<file> or the http address of a server")
    yield _database(Path(uri.removeprefix("sqlite:///")))


def findings(uri: str, state: str) -> Finding:
    """Return what is to be said of a store that ``look`` found usable."""
    return ok(f"MLflow: {masked(uri)} {state}")


def silent(uri: str, reason: str) -> Finding:
    """Return the problem of a store that refused or did not answer."""
    return problem(
        f"MLflow: {masked(uri)} cannot be used: {reason}",
        "start it, correct MLFLOW_TRACKING_URI, or set tracking.enabled: false; runs go on without it",
    )


def _database(path: Path) -> str:
    """Say what is there; ask for the right to write and give it back, which shows a lock and a read-only file."""
    if set("%?") & set(str(path)):
        raise ErktError("% or ? in its path, which the address of a database cannot hold")
    if not path.exists():
        folder = next(folder for folder in path.absolute().parents if folder.is_dir())
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} is not writable")
        return "will be made"
    address = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, BUSY_SECONDS, isolation_level=None, uri=True)) as connection:
        connection.execute("PRAGMA schema_version")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    return "can be written"
