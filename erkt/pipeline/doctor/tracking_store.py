"""MLflow's store: whether it can be used, without making anything in it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from erkt.errors import ErktError
from erkt.pipeline.doctor.cache_and_lock import existing
from erkt.pipeline.doctor.findings import Finding, ok
from erkt.tracking.mlflow_store import database_at, deleted, masked, require_beside

_BUSY_SECONDS = 3.0


def check(uri: str, experiment: str) -> Iterator[Finding | None]:
    """Yield None, then what is there. Raises what MLflow and sqlite3 raise if the store cannot be used.

    Changes MLflow's settings in this process.
    """
    if uri.startswith(("http://", "https://")):
        # MLflow asks a server that refuses again and again for minutes, as if it were silent.
        os.environ.update({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_DISABLE_TELEMETRY": "true"})
        from mlflow import MlflowClient

        client = MlflowClient(uri)
        yield None
        found = client.get_experiment_by_name(experiment)
        if found and found.lifecycle_stage == "deleted":
            raise ErktError(deleted(experiment, found.experiment_id))
        yield ok(f"MLflow: {masked(uri)} answers" + ("" if found else f"; {experiment} will be made"))
    elif uri.startswith("sqlite:///"):
        yield None
        yield ok(f"MLflow: {uri} {_database(database_at(uri), experiment)}")
    else:
        raise ErktError("stages take sqlite:///<file> or the http address of a server")


def _database(path: Path, experiment: str) -> str:
    """Say what is there; to ask for the right to write and give it back shows a lock or a read-only file."""
    if not path.exists():
        if not os.access(existing(path.parent), os.W_OK):
            raise ErktError(f"{existing(path.parent)} is not writable")
        return "will be made"
    address = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, _BUSY_SECONDS, isolation_level=None, uri=True)) as connection:
        connection.execute("PRAGMA schema_version")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        # A database that was never used has no tables yet.
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
            asked = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'deleted'"
            if found := connection.execute(asked, (experiment,)).fetchone():
                raise ErktError(deleted(experiment, str(found[0])))
            asked = "SELECT artifact_location FROM experiments WHERE name = ?"
            if found := connection.execute(asked, (experiment,)).fetchone():
                require_beside(str(found[0]), (path.parent / "mlartifacts").as_uri())
            from mlflow import MlflowClient  # refuses a database of another version of MLflow

            MlflowClient(f"sqlite:///{path}").get_experiment_by_name(experiment)
    return "can be written"
