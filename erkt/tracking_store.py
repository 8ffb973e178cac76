"""Opens MLflow's store: which address, how long a server may take, and one process at a time.

MLflow is imported inside the functions: a stage that does not track must not pay the second it takes.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from erkt.errors import ErktError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LOCK_SECONDS = 60  # making a database takes 2 s, on a slow disk up to 10 s
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # with MLflow's 7 a server that refuses costs 4 min a call,
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",  # and with its 120 s one that stays silent costs 20 min
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",  # else a server in trouble names the wait
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what goes wrong is said once, by the caller's warning
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def address(root: Path, environment: Mapping[str, str]) -> str:
    """Return ``MLFLOW_TRACKING_URI``, or the database ``mlflow.db`` in ``root``, where ``mlflow ui`` looks."""
    return environment.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root.resolve() / 'mlflow.db'}"


def connect(uri: str, experiment: str) -> tuple["MlflowClient", str]:
    """Open the store at ``uri`` and return a client and the id of ``experiment``, making what is missing.

    Artifacts of a database lie in ``mlartifacts`` beside it; those of a server where it keeps them. The
    settings that bound and silence MLflow go into the environment of the process, where MLflow reads
    them; those that the user has set stay.

    Raises:
        ErktError: the address is neither an SQLite file nor an HTTP server.
        Exception: whatever MLflow, SQLAlchemy and sqlite3 raise when the store cannot be used.
    """
    served = uri.startswith(("http://", "https://"))
    if not served and not uri.startswith("sqlite:///"):
        # A database server is left out as well: MLflow tries for 100 s, and no setting shortens that.
        raise ErktError(
            f"{uri} is no store for tracking; use sqlite:///<file> or the http address of a server"
        )
    database = Path(uri.removeprefix("sqlite:///")).resolve()
    if not served and set("%?") & set(str(database)):
        raise ErktError(f"{database} has % or ? in its path, which the address of a database cannot hold")
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    if served:
        client = MlflowClient(uri)
        return client, _experiment_id(client, experiment, None)
    database.parent.mkdir(parents=True, exist_ok=True)
    artifacts = (database.parent / "mlartifacts").as_uri()
    with _lock(database):
        _ensure_tables(database, artifacts)
        client = MlflowClient(f"sqlite:///{database}")
        return client, _experiment_id(client, experiment, artifacts)


@contextmanager
def _lock(database: Path) -> Iterator[None]:
    """Let one process in at a time: two that make the tables of one file break each other.

    An exclusive transaction on a file of its own is a lock that works on every platform, waits no longer
    than it is told to and ends with its process.
    """
    with closing(sqlite3.connect(f"{database}.lock", timeout=_LOCK_SECONDS, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _ensure_tables(database: Path, artifacts: str) -> None:
    if database.exists():
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA schema_version")  # MLflow tries for 100 s to open a broken file
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    # Under another name first: a process killed halfway would leave a file that MLflow refuses for ever.
    part = database.with_name(f"{database.name}.part")
    for stale in (part, part.with_name(f"{part.name}-journal")):
        stale.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"sqlite:///{part}", artifacts)  # type: ignore[no-untyped-call]  # MLflow's own gap
    store.engine.dispose()
    os.replace(part, database)


def _experiment_id(client: "MlflowClient", name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=artifacts)
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another client of the server may have been first
            if found is None:
                raise
    return found.experiment_id
