"""Opens MLflow's store: which address, how long a server may take, and one process at a time.

MLflow is imported inside the functions: a stage that does not track must not pay the second it takes.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from erkt.errors import ErktError

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

_LOCK_SECONDS = 120  # making a database takes 2 s, on a busy machine or a slow disk half a minute
_ATTEMPTS = 6
_IN_THE_WAY = (
    "database is locked",
    "UNIQUE constraint failed",  # SQLite
    "duplicate key value",  # PostgreSQL
    "must be in the 'active' state",  # MLflow, of a deleted run
)
_TOLD_LENGTH = 600  # an error of a connection names its cause at the end
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # with MLflow's 7 a server that refuses costs 4 min a call,
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",  # and with its 120 s one that stays silent costs 20 min
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",  # else a server in trouble names the wait
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what goes wrong is said once, by the caller's warning
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def told(error: Exception) -> str:
    """Return ``error`` in one line of at most 600 characters, without the password of an address."""
    kind = "" if isinstance(error, ErktError) else f"{type(error).__name__}: "
    return masked(" ".join(f"{kind}{error}".split()))[:_TOLD_LENGTH]


def masked(text: str) -> str:
    """Return ``text`` without the user and password of addresses in it."""
    return re.sub(r"//[^/@\s]+@", "//***@", text)


def patiently(work: Callable[[], T]) -> T:
    """Return what ``work`` returns; if others were in its way, do it again, six times in all.

    SQLite lets whoever comes at the right moment in, not whoever has waited longest, so with many processes on
    a busy machine one of them can wait through the 20 s that MLflow allows a call. And of two that write the same
    row in the same moment any database refuses one, and a run that two have made one of them deletes. ``work`` must
    bear repetition.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return work()
        # Broad, since the same error comes wrapped by MLflow, by SQLAlchemy or bare; any other goes on.
        except Exception as error:
            if not any(sign in str(error) for sign in _IN_THE_WAY):
                raise
    return work()


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
    if not database.exists():
        with _lock(database):
            if not database.exists():  # another process may have been first
                _make_tables(database, artifacts)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA schema_version")  # MLflow tries for 100 s to open a broken file


def _make_tables(database: Path, artifacts: str) -> None:
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
