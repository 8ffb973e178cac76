"""``python -m erkt track`` with real servers of MLflow: on SQLite and on PostgreSQL."""

import contextlib
import getpass
import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tracked import Checkout, files, no_settings, picture

pytestmark = pytest.mark.slow

POSTGRES = Path("/usr/lib/postgresql/15/bin")
SECONDS = 300  # a guard: a server is up in ten


@pytest.fixture(scope="module", autouse=True)
def clean_environment() -> Iterator[None]:
    with no_settings():
        yield


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"))


@dataclass
class Server:
    """A server of MLflow and what it holds: its tables, its artifacts by path."""

    uri: str
    tables: Callable[[], Any]
    artifacts: Path

    def dump(self) -> tuple[Any, dict[str, bytes]]:
        return self.tables(), files(self.artifacts)


@contextlib.contextmanager
def served(folder: Path, backend: str, tables: Callable[[], Any]) -> Iterator[Server]:
    """Run ``mlflow server``; its log is in ``folder``."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    artifacts = folder / "artifacts"
    options = ["--backend-store-uri", backend, "--artifacts-destination", str(artifacts), "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), *options]
    uri = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
        )
        try:
            wait_until(lambda: answers(f"{uri}/health"), process, folder / "server.log")
            yield Server(uri, tables, artifacts)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            process.wait()


def answers(address: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as response:
        return bool(response.status == 200)
    return False


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    pause = threading.Event()
    for _ in range(SECONDS * 2):
        if ready():
            return
        assert process.poll() is None, log.read_text()
        pause.wait(0.5)
    pytest.fail(f"not up after {SECONDS} s: {log.read_text()}")


@contextlib.contextmanager
def on_sqlite(folder: Path) -> Iterator[Server]:
    database = folder / "server.db"

    def tables() -> list[str]:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            return list(connection.iterdump())

    with served(folder, f"sqlite:///{database}", tables) as server:
        yield server


@contextlib.contextmanager
def on_postgres(folder: Path) -> Iterator[Server]:
    if not (POSTGRES / "initdb").exists():
        pytest.skip(f"no PostgreSQL in {POSTGRES} (Debian package postgresql-15)")
    pytest.importorskip("psycopg2", reason="no driver of PostgreSQL (psycopg2-binary)")
    # initdb refuses to run as root, and nobody but root may enter pytest's own folders.
    user = "nobody" if os.getuid() == 0 else getpass.getuser()
    place = Path(tempfile.mkdtemp(prefix="erkt-postgres-", dir="/tmp"))
    if os.getuid() == 0:
        os.chown(place, pwd.getpwnam(user).pw_uid, -1)

    def start(name: str, *options: str, **more: Any) -> subprocess.Popen[bytes]:
        as_user = {"user": user, "extra_groups": []} if os.getuid() == 0 else {}
        return subprocess.Popen([POSTGRES / name, *options], cwd=place, **as_user, **more)

    def tables() -> bytes:
        dumping = start("pg_dump", "--data-only", "-h", str(place), "postgres", stdout=subprocess.PIPE)
        out = dumping.communicate()[0]
        assert dumping.returncode == 0
        # A word of the client's own, drawn anew for each dump.
        return b"\n".join(
            line for line in out.split(b"\n") if not line.startswith((b"\\restrict", b"\\unrestrict"))
        )

    try:
        with (folder / "postgres.log").open("wb") as log:
            output = {"stdout": log, "stderr": subprocess.STDOUT}
            data = str(place / "data")
            assert start("initdb", "-D", data, "--auth", "trust", "--no-sync", **output).wait() == 0
            # A socket in the folder alone: no port that another could have.
            only_here = (
                "-c",
                "listen_addresses=",
                "-c",
                f"unix_socket_directories={place}",
                "-c",
                "fsync=off",
            )
            server = start("postgres", "-D", data, *only_here, **output)
            try:
                ready = ("-h", str(place), "-q")
                wait_until(lambda: start("pg_isready", *ready).wait() == 0, server, folder / "postgres.log")
                backend = f"postgresql+psycopg2://{user}@/postgres?host={place}"
                with served(folder, backend, tables) as mlflow:
                    yield mlflow
            finally:
                server.send_signal(2)  # fast shutdown: clients are cut off
                server.wait()
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize("backend", [on_sqlite, on_postgres])
def test_twice_in_a_row_gives_the_same_store(
    checkout: Checkout,
    tmp_path: Path,
    backend: Callable[[Path], contextlib.AbstractContextManager[Server]],
) -> None:
    with backend(tmp_path) as server:
        # A loaded machine may take longer than the 3 s after which a stage would go on without its mirror.
        settings = {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_HTTP_REQUEST_TIMEOUT": "120"}
        first = checkout.python("-m", "erkt", "track", **settings)
        assert first.returncode == 0, first.stderr
        before = server.dump()
        second = checkout.python("-m", "erkt", "track", **settings)
        assert second.returncode == 0, second.stderr
        assert server.dump() == before
        shown = picture(server.uri, "erkt")
    cells = checkout.cells()
    assert first.stdout.count("run made from files") == len(cells)
    assert second.stdout.count("run made from files") == 0
    assert first.stdout.splitlines()[-1] == f"experiment erkt in {server.uri}"
    assert len(shown) == len(cells) + 1
    assert shown["distill@0"]["metrics"]["loss"] == [(1, 2.46352), (2, 1.25)]
    assert "0.json" in shown["evaluate@0"]["artifacts"]
    assert not (checkout.folder / "mlflow.db").exists()


def test_two_clones_at_once_make_one_run_for_the_commit(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
    command = [sys.executable, "-m", "erkt", "track"]
    shutil.copytree(checkout.folder, tmp_path / "other", symlinks=True)
    with on_sqlite(tmp_path) as server:
        both = [
            subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | {"MLFLOW_TRACKING_URI": server.uri, "PYTHONPATH": str(folder)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for folder in (checkout.folder, tmp_path / "other")
        ]
        said = [process.communicate() for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        third = checkout.python("-m", "erkt", "track", MLFLOW_TRACKING_URI=server.uri)
        assert third.returncode == 0, third.stderr
        before = server.dump()
        assert "0 made now" in checkout.python("-m", "erkt", "track", MLFLOW_TRACKING_URI=server.uri).stdout
        assert server.dump() == before
        shown = picture(server.uri, "erkt")  # an error if two runs have one name
    assert len(shown) == len(checkout.cells()) + 1
