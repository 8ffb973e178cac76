"""Opens MLflow's store: which address, how long a server may take, and one process at a time.

MLflow is imported inside the functions: a stage that does not track must not pay the second it takes.
"""

import logging
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock

from erkt.errors import ErktError

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

_LOCK_SECONDS = 120  # making a database takes 2 s, on a busy machine or a slow disk half a minute
_ATTEMPTS = 6
_FILE = "sqlite:///"
_IN_THE_WAY = (
    "database is locked",
    "UNIQUE constraint failed",  # SQLite
    "duplicate key value",  # PostgreSQL
    "already exists",  # MLflow, of an experiment
    "must be in the 'active' state",  # MLflow, of a deleted run
)
_TOLD_LENGTH = 600  # an error of a connection names its cause at the end
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # with MLflow's 7 a server that refuses costs 4 min a call,
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",  # and with its 120 s one that stays silent costs 20 min
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",  # else a server in trouble names the wait
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what goes wrong is said once, by the caller's warning
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def told(error: Exception) -> str:
    """Return ``error`` in one line of at most 600 characters, without what is secret in an address."""
    kind = "" if isinstance(error, ErktError) else f"{type(error).__name__}: "
    return masked(" ".join(f"{kind}{error}".split()))[:_TOLD_LENGTH]


def masked(text: str) -> str:
    """Return ``text`` without user, password and query of addresses in it: a query may be a signature."""
    return re.sub(r"(://[^\s'\"?]*\?)[^\s'\"]+", r"\1***", re.sub(r"//[^\s'\"]*@", "//***@", text))


def patiently(work: Callable[[], T]) -> T:
    """Return what ``work`` returns; if others were in its way, do it again, six times in all.

    ``work`` must bear repetition. SQLite lets in whoever comes at the right moment, so with many processes
    one can wait through the 20 s that MLflow allows a call. And of two that write the same row at once, any
    database refuses one.
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
    """Return ``MLFLOW_TRACKING_URI``, or ``mlflow.db`` in ``root``, where ``mlflow ui`` looks.

    A relative path of a database starts in ``root``.
    """
    uri = environment.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    if uri.startswith(_FILE):
        return f"{_FILE}{root.resolve() / uri.removeprefix(_FILE)}"  # one from the root stays as it is
    return uri


def connect(uri: str, experiment: str) -> tuple["MlflowClient", str]:
    """Open the store at ``uri`` and return a client and the id of ``experiment``, making what is missing.

    Artifacts of a database lie in ``mlartifacts`` beside it; those of a server where it keeps them. The
    settings that bound and silence MLflow go into the environment of the process, where MLflow reads them;
    those that the user has set stay.

    Raises:
        ErktError: the address is neither an SQLite file nor an HTTP server. Exception: whatever MLflow,
            SQLAlchemy and sqlite3 raise when the store cannot be used; ``patiently`` helps where another
            process makes the experiment at the same moment.
    """
    served = uri.startswith(("http://", "https://"))
    if not served and not uri.startswith(_FILE):
        # A database server is left out as well: MLflow tries for 100 s, and no setting shortens that.
        raise ErktError(
            f"{uri} is no store for tracking; use sqlite:///<file> or the http address of a server"
        )
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # it logs a traceback for what is raised

    artifacts = None
    if not served:
        database = database_at(uri)
        artifacts = (database.parent / "mlartifacts").as_uri()
        _ensure_tables(database, artifacts)
        uri = f"sqlite:///{database}"
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    if found and found.lifecycle_stage == "deleted":
        raise ErktError(deleted(experiment, found.experiment_id))
    if found and artifacts:
        require_beside(found.artifact_location, artifacts)
    return client, found.experiment_id if found else client.create_experiment(experiment, artifacts)


def database_at(uri: str) -> Path:
    """Return the file of an SQLite address; ErktError for a path that such an address cannot hold."""
    database = Path(uri.removeprefix(_FILE)).resolve()
    if set("%?") & set(str(database)):
        raise ErktError(f"{database} has % or ? in its path, which the address of a database cannot hold")
    return database


def require_beside(location: str, artifacts: str) -> None:
    """Raise ErktError if an experiment's files are kept beside another database than this one.

    MLflow keeps their place in the database, so that a store which was moved or copied writes to the old one.
    """
    ours = location.startswith("file:") and "/mlartifacts" in location
    if ours and location != artifacts and not location.startswith(f"{artifacts}/"):
        raise ErktError(
            f"mlflow.db was moved or copied: it keeps files in {location}. Bring it back, or delete it here, "
            "and erkt track gives a commit its runs again"
        )


def deleted(experiment: str, number: str) -> str:
    """Return what to say of an experiment that was deleted in MLflow's page: it takes no runs any more."""
    return (
        f"the experiment {experiment} was deleted; run mlflow experiments restore --experiment-id {number} "
        "(with MLFLOW_TRACKING_URI set as here), or set tracking.experiment to another name"
    )


def _ensure_tables(database: Path, artifacts: str) -> None:
    """Make the database if it is not there, one process at a time: two would break each other."""
    database.parent.mkdir(parents=True, exist_ok=True)
    if not database.exists():
        with FileLock(f"{database}.lock", timeout=_LOCK_SECONDS):
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
