"""What a stage's run leaves in MLflow, and that nothing there can fail the stage."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tracked import dump, empty_database, no_settings, picture

from erkt.params.tracking import Tracking
from erkt.tracking import mirror, mlflow_store
from erkt.tracking.mirror import Run, track

OFF = "MLflow keeps nothing more of this stage; its results are not affected"


@pytest.fixture(scope="module", autouse=True)
def clean_environment() -> Iterator[None]:
    """No setting of the user's takes part, and what a run sets in the process goes after the module."""
    with no_settings():
        yield


class Stage:
    """A stage with a fresh store, whose warnings are kept."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = f"sqlite:///{root / 'mlflow.db'}"
        self.warnings: list[str] = []

    def track(
        self, inputs: str = "k1", stage: str = "distill@0", uri: str = "", **more: Mapping[str, Any]
    ) -> AbstractContextManager[Run]:
        return track(
            Tracking(enabled=True, experiment="scenes"),
            inputs=inputs,
            stage=stage,
            params=more.get("params", {}),
            tags={"commit": "f00", "dirty": "false"},
            root=self.root,
            environment=more.get("environment", {"MLFLOW_TRACKING_URI": uri}),
            warn=self.warnings.append,
        )

    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def runs(self, deleted: bool = False) -> list[Any]:
        from mlflow.entities import ViewType

        client = self.client()
        experiment = client.get_experiment_by_name("scenes").experiment_id
        view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
        return list(client.search_runs([experiment], run_view_type=view, order_by=["start_time ASC"]))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    root = tmp_path / "a project #1"
    root.mkdir()
    (root / "mlflow.db").write_bytes(empty_database())
    return Stage(root)


@pytest.fixture
def sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_SEND_SECONDS", 0.0)


def test_a_store_that_was_copied_does_not_write_to_the_other(stage: Stage, tmp_path: Path) -> None:
    with stage.track():
        pass
    assert stage.warnings == []
    shutil.copytree(stage.root, tmp_path / "copy")
    copied = Stage(tmp_path / "copy")
    with copied.track():
        pass
    (said,) = copied.warnings
    assert "mlflow.db was moved or copied: it keeps files in " in said
    assert "a%20project" in said


def test_params_are_read_back_flat_and_spelt_as_in_yaml(stage: Stage) -> None:
    params = {
        "recipe": {"learning_rate": 0.001, "warm up": None, "amp": True, "precision": "fp32"},
        "names": ["a", "b"],
        "empty": {},
        "odd (name)": 1e-05,
        "long": "x" * 7000,
        **{f"p{number}": number for number in range(150)},
    }
    with stage.track(params=params):
        pass
    (run,) = stage.runs()
    expected = {
        "recipe.learning_rate": "0.001",
        "recipe.warm up": "null",
        "recipe.amp": "true",
        "recipe.precision": "fp32",
        "names": '["a", "b"]',
        "empty": "{}",
        "odd _name_": "1e-05",
        "long": "x" * 6000,
        **{f"p{number}": str(number) for number in range(150)},
    }
    assert run.data.params == expected
    assert stage.warnings == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:hidden@host/a.zip", "https://***@host/a.zip"),
        ("https://me:hid@den@host/a.zip", "https://***@host/a.zip"),
        ("https://me:hid/hidden@host/a.zip", "https://***@host/a.zip"),
        ("no connection to http://hidden@host:80, twice", "no connection to http://***@host:80, twice"),
        ("https://host/a.zip?sig=hidden&x=hidden", "https://host/a.zip?***"),
        ("GET 'azure://box/a?hidden' failed", "GET 'azure://box/a?***' failed"),
        ("postgresql://u:hidden@host/db", "postgresql://***@host/db"),
        ("sqlite:////home/x/mlflow.db", "sqlite:////home/x/mlflow.db"),
        ("hub timm/resnet50@main, what?", "hub timm/resnet50@main, what?"),
    ],
)
def test_what_is_secret_in_an_address_is_not_shown(text: str, shown: str) -> None:
    assert mlflow_store.masked(text) == shown
    assert mlflow_store.masked(shown) == shown


def test_a_store_holds_nothing_that_is_secret_in_an_address(stage: Stage) -> None:
    params = {"dataset": {"location": "https://host/a.zip?sig=hidden", "mirrors": ["https://u:hidden@host"]}}
    with stage.track(params=params):
        pass
    (run,) = stage.runs()
    assert run.data.params == {
        "dataset.location": "https://host/a.zip?***",
        "dataset.mirrors": '["https://***@host"]',
    }
    assert "hidden" not in "".join(dump(stage.root)[0])


def test_tags_and_name_say_where_a_run_comes_from(stage: Stage) -> None:
    with stage.track("abc", "distill@1", environment={"DVC_EXP_NAME": "odd-cat"}):
        assert [run.info.status for run in stage.runs()] == ["RUNNING"]
    (run,) = stage.runs()
    assert len(run.data.tags.pop("erkt.content")) == 64
    assert run.data.tags == {
        "erkt.inputs": "abc",
        "erkt.stage": "distill@1",
        "erkt.commit": "f00",
        "erkt.dirty": "false",
        "erkt.dvc_experiment": "odd-cat",
        "mlflow.runName": "distill@1",
    }
    assert (run.info.run_name, run.info.status) == ("distill@1", "FINISHED")
    assert run.info.end_time >= run.info.start_time


def test_metrics_keep_their_history_and_short_epochs_share_a_call(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    sizes: list[int] = []
    send = MlflowClient.log_batch

    def counted(client: Any, run_id: str, **batch: Any) -> Any:
        sizes.append(len(batch["metrics"]))
        return send(client, run_id, **batch)

    classes = {f"class {number}": float(number) for number in range(1100)}  # MLflow takes 1000 in one request
    with stage.track() as run:
        monkeypatch.setattr(MlflowClient, "log_batch", counted)
        monkeypatch.setattr(mirror, "_SEND_SECONDS", 3600.0)
        for epoch in range(40):
            run.metrics({"loss": 1 / (epoch + 1), "val/accuracy": epoch / 40}, epoch)
        run.metrics({"final": float("nan"), "exact": 1 / 3, **classes})
    assert sizes == [2, 39 * 2 + 2 + 1100]  # the first epoch at once
    (stored,) = stage.runs()
    history = stage.client().get_metric_history(stored.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [
        (epoch, float(f"{1 / (epoch + 1):.6g}")) for epoch in range(40)
    ]
    found = stored.data.metrics
    assert (found["val/accuracy"], found["exact"]) == (39 / 40, 1 / 3)
    assert found["final"] != found["final"]
    assert classes.items() <= found.items()


def test_artifacts_lie_beside_the_database(stage: Stage, tmp_path: Path) -> None:
    files = {"metrics.json": json.dumps({"a": 1}).encode(), "confusion.png": b"\x89PNG"}
    with stage.track() as run:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
            run.artifact(tmp_path / name)
    (stored,) = stage.runs()
    folder = stage.root / "mlartifacts" / stored.info.run_id / "artifacts"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert {entry.path for entry in stage.client().list_artifacts(stored.info.run_id)} == set(files)


class EndedError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EndedError(), "FAILED"),
        (SystemExit(2), "FAILED"),
        (SystemExit(0), "FINISHED"),
        (KeyboardInterrupt(), "KILLED"),
    ],
)
def test_a_run_ends_as_its_stage_does_and_the_exception_goes_on(
    stage: Stage, error: BaseException, status: str
) -> None:
    def work() -> None:
        with stage.track() as run:
            run.metrics({"loss": 1.0}, 1)
            run.metrics({"loss": 2.0}, 2)
            raise error

    with pytest.raises(type(error)) as caught:
        work()
    assert caught.value is error
    (stored,) = stage.runs()
    assert (stored.info.status, stored.data.metrics) == (status, {"loss": 2.0})
    assert stage.warnings == []


def test_only_a_finished_run_replaces_older_ones_with_its_key_that_no_commit_has(stage: Stage) -> None:
    for inputs, name in (("k1", "first"), ("k2", "other")):
        with stage.track(inputs, name):
            pass
    with pytest.raises(EndedError), stage.track("k1", "broken"):
        raise EndedError
    assert [run.info.run_name for run in stage.runs()] == ["first", "other", "broken"]
    client = stage.client()
    experiment = client.get_experiment_by_name("scenes").experiment_id
    for name, start, more in (
        ("started later", 2**42, {}),
        ("of a commit", 1, {"mlflow.parentRunId": "p"}),
        ("made from files", 2**42, {"erkt.made_from": "files"}),
    ):
        client.create_run(experiment, start, {"erkt.inputs": "k1", **more}, name)
    with stage.track("k1", "second"):
        pass
    kept, gone = ({run.info.run_name for run in stage.runs(deleted)} for deleted in (False, True))
    assert kept == {"of a commit", "other", "second", "started later"}
    assert gone == {"broken", "first", "made from files"}


def test_a_disabled_tracker_does_nothing_and_imports_nothing(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from erkt.params.tracking import Tracking
from erkt.tracking.mirror import track
with track(Tracking(False, "scenes"), inputs="k", stage="s", params={}, tags={}, root=Path(sys.argv[1]),
           environment={"MLFLOW_TRACKING_URI": "file:/x"}, warn=print) as run:
    run.metrics({"loss": 1.0}, 1)
    run.artifact(Path("missing"))
print("mlflow" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("False\n", "", [])


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("./mlruns", "use sqlite:///<file>"),
        ("postgresql://user:secret@host/db", "use sqlite:///<file>"),
        ("sqlite:////x%20/y.db", "% or ?"),
    ],
)
def test_an_address_that_cannot_be_used_costs_one_line_and_no_stage(
    stage: Stage, uri: str, reason: str
) -> None:
    with stage.track(uri=uri) as run:
        run.metrics({"loss": 1.0}, 1)
        run.artifact(stage.root / "missing")
    (warning,) = stage.warnings
    assert warning.startswith(OFF)
    assert reason in warning
    assert "\n" not in warning
    assert "secret" not in warning


def test_a_broken_database_is_left_alone(stage: Stage) -> None:
    content = b"no database at all " * 100
    (stage.root / "mlflow.db").write_bytes(content)
    with stage.track() as run:
        run.metrics({"loss": 1.0}, 1)
    assert stage.warnings == [
        f"{OFF}, and tracking.enabled: false stops the attempts (DatabaseError: file is not a database)"
    ]
    assert (stage.root / "mlflow.db").read_bytes() == content


def test_a_programming_error_is_named_once_and_the_run_is_marked(stage: Stage) -> None:
    with stage.track() as finished:
        finished.metrics({"loss": 1.0}, 1)
    with stage.track() as run:
        run.metrics({"loss": "high"}, 1)  # type: ignore[dict-item]
        run.metrics({"loss": 1.0}, 2)
        run.artifact(stage.root / "missing")
    (warning,) = stage.warnings
    assert "ValueError: could not convert string to float: 'high'" in warning
    assert [run.info.status for run in stage.runs()] == ["FINISHED", "FAILED"]
    assert stage.runs()[1].data.metrics == {}


def test_a_database_that_has_no_memory_logs_no_traceback(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from sqlalchemy.engine.default import DefaultDialect

    calls = []

    def none_left(*_: object) -> None:
        calls.append("rollback")
        raise MemoryError

    with stage.track() as run:
        monkeypatch.setattr(DefaultDialect, "do_rollback", none_left)
        run.artifact(stage.root / "mlflow.db")
    assert calls
    assert [record for record in caplog.records if record.exc_info] == []


CALLS = ["create_run", "log_batch", "log_artifact", "set_tag", "set_terminated"]


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often each call still fails, as with SQLite while others hold its lock."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    left = dict.fromkeys(CALLS, 0)

    def fails_at_first(name: str) -> Any:
        call = getattr(MlflowClient, name)

        def method(*arguments: Any, **named: Any) -> Any:
            if left[name]:
                left[name] -= 1
                raise MlflowException("(sqlite3.OperationalError) database is locked")
            return call(*arguments, **named)

        return method

    for name in CALLS:
        monkeypatch.setattr(MlflowClient, name, fails_at_first(name))
    return left


def test_a_locked_database_is_asked_again(stage: Stage, locked: dict[str, int]) -> None:
    locked |= dict.fromkeys(CALLS, 2)  # two calls may share the six attempts
    (stage.root / "a.txt").write_text("a")
    with stage.track(params={"a": 1}) as run:
        run.metrics({"loss": 1.0}, 1)
        run.artifact(stage.root / "a.txt")
    assert (stage.warnings, set(locked.values())) == ([], {0})
    (stored,) = stage.runs()
    assert (stored.info.status, stored.data.metrics) == ("FINISHED", {"loss": 1.0})
    assert (stage.root / "mlartifacts" / stored.info.run_id / "artifacts/a.txt").read_text() == "a"


def test_a_database_that_stays_locked_is_given_up(stage: Stage, locked: dict[str, int]) -> None:
    locked["log_batch"] = 1000
    with stage.track() as run:
        run.metrics({"loss": 1.0}, 1)
        run.metrics({"loss": 2.0}, 2)
    (warning,) = stage.warnings
    assert "database is locked" in warning
    assert locked["log_batch"] == 1000 - 6
    assert [run.info.status for run in stage.runs()] == ["FAILED"]


def test_an_experiment_that_another_client_makes_at_the_same_moment_is_used(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    search = MlflowClient.get_experiment_by_name

    def too_early(client: Any, name: str) -> None:
        monkeypatch.setattr(MlflowClient, "get_experiment_by_name", search)
        client.create_experiment(name)

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", too_early)
    with stage.track():
        pass
    assert (stage.warnings, len(stage.runs())) == ([], 1)


@pytest.mark.usefixtures("sent_at_once")
def test_a_server_that_refuses_costs_one_warning(stage: Stage) -> None:
    with socket.socket() as bound:  # bound but not listening: nobody else gets the port, nobody answers
        bound.bind(("127.0.0.1", 0))
        with stage.track(uri=f"http://user:secret@127.0.0.1:{bound.getsockname()[1]}") as run:
            for epoch in range(5):
                run.metrics({"loss": 1.0}, epoch)
    (warning,) = stage.warnings
    assert warning.startswith(OFF)
    assert "refused" in warning.lower()
    assert "secret" not in warning
    assert "\n" not in warning
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "3"  # what a silent one may cost, twice


@pytest.mark.usefixtures("sent_at_once")
def test_a_server_that_stays_silent_is_asked_twice_in_all(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # a user's own setting stays
    attempts = 0
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, nobody reads
        with stage.track(uri=f"http://127.0.0.1:{silent.getsockname()[1]}") as run:
            for epoch in range(5):
                run.metrics({"loss": 1.0}, epoch)
        silent.settimeout(0)
        with suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                attempts += 1
    assert attempts == 2
    (warning,) = stage.warnings
    assert "timeout=1" in warning


@pytest.fixture
def failing_server() -> Iterator[tuple[str, list[str]]]:
    """A server that knows the experiment and makes the run, then is in trouble; and what it was asked."""
    asked: list[str] = []
    info = {"run_id": "r1", "run_uuid": "r1", "experiment_id": "1", "start_time": 1, "status": "RUNNING"}
    answers: dict[str, dict[str, Any]] = {
        "experiments/get-by-name": {"experiment": {"experiment_id": "1", "name": "scenes"}},
        "runs/create": {"run": {"info": info, "data": {}}},
    }

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self.path.split("?")[0].removeprefix("/api/2.0/mlflow/"))
            found = answers.get(asked[-1])
            body = json.dumps(found or {}).encode()
            self.send_response(200 if found else 503)
            self.send_header("Retry-After", "30")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("sent_at_once")
def test_a_server_that_fails_midway_is_given_up_at_once(
    stage: Stage,
    failing_server: tuple[str, list[str]],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uri, asked = failing_server
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with stage.track(uri=uri) as run:
        for epoch in range(5):
            run.metrics({"loss": 1.0}, epoch)
    assert len(stage.warnings) == 1
    assert [name for name in asked if not name.startswith("/")] == [
        "experiments/get-by-name",
        "runs/create",
        "runs/log-batch",
        "runs/log-batch",
        "runs/update",
        "runs/update",
    ]
    assert sum(waits) < 5
    assert capfd.readouterr() == ("", "")


CELL = """
import os, sys, time
from pathlib import Path
from erkt.params.tracking import Tracking
from erkt.inflight.stopping import listen
from erkt.tracking.mirror import track
sys.excepthook = lambda kind, error, trace: None
name, root = sys.argv[1], Path(sys.argv[2])
(root / name).write_text(f"artifact of {name}")
with listen(patient=False), track(Tracking(True, "scenes"), inputs=name, stage=name, params={"name": name},
        tags={}, root=root, environment=os.environ, warn=print) as run:
    for epoch in range(8):
        run.metrics({"loss": epoch / 4}, epoch)
    run.artifact(root / name)
    if name == "waits":
        print("ready", flush=True)
        time.sleep(60)
"""


def start(name: str, stage: Stage) -> subprocess.Popen[str]:
    """Start a stage in a process of its own."""
    command = [sys.executable, "-c", CELL, name, str(stage.root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_ten_processes_share_a_store_that_is_not_there_even_after_one_that_made_it_was_killed(
    stage: Stage,
) -> None:
    (stage.root / "mlflow.db").unlink()
    (stage.root / "mlflow.db.part").write_bytes(b"the rest of a process")
    (stage.root / "mlflow.db.part-journal").write_bytes(b"that was killed")
    names = [f"cell-{number}" for number in range(10)]
    processes = [start(name, stage) for name in names]
    assert [process.communicate()[0] for process in processes] == [""] * 10
    assert [process.returncode for process in processes] == [0] * 10
    assert not list(stage.root.glob("*.part*"))
    shown = picture(stage.uri, "scenes")
    assert sorted(shown) == names
    for name, run in shown.items():
        assert run["status"] == "FINISHED"
        assert run["params"] == {"name": name}
        assert run["metrics"] == {"loss": [(epoch, epoch / 4) for epoch in range(8)]}
        assert run["artifacts"] == {name: f"artifact of {name}".encode()}


def test_a_terminated_stage_marks_its_run_killed(stage: Stage) -> None:
    with start("waits", stage) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate()[0] == ""
    assert process.returncode != 0
    assert [run.info.status for run in stage.runs()] == ["KILLED"]
