"""A commit of a real run, tracked by the one who ran it and by a colleague who ran nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from clone import Clone
from tracked import no_settings, picture

pytestmark = pytest.mark.slow


def uri(clone: Clone) -> str:
    return f"sqlite:///{clone.folder / 'mlflow.db'}"


def test_a_colleague_who_ran_nothing_gets_the_runs_of_the_one_who_did(tmp_path: Path) -> None:
    with no_settings():
        (tmp_path / "own").mkdir()
        own = Clone(tmp_path / "own")
        own.params["tracking"]["enabled"] = True
        own.write_params()
        executed = own.repro("--all-pipelines")
        own.python("-m", "dvc", "remote", "add", "--default", "team", str(tmp_path / "remote"))
        own.commit("run")
        tracked = own.python("-m", "erkt", "track")
        assert tracked.returncode == 0, tracked.stderr
        assert f"refers to {len(executed)} stage runs, 0 made now" in tracked.stdout
        pushed = own.python("-m", "dvc", "push", "--run-cache")
        assert pushed.returncode == 0, pushed.stderr

        own.git("clone", "-q", str(own.folder), str(tmp_path / "colleague"))
        colleague = Clone.__new__(Clone)  # as it was cloned, without files of its own
        colleague.folder = tmp_path / "colleague"
        pulled = colleague.python("-m", "dvc", "pull", "--run-cache", "--allow-missing")
        assert pulled.returncode == 0, pulled.stderr
        missing = colleague.python("-m", "erkt", "track")
        assert missing.stderr.startswith(
            "error: download: data/archive is missing; run dvc pull, or dvc repro"
        )
        # Images may be licensed and are not pushed: these two are made from one's own copy.
        assert colleague.repro("--all-pipelines") <= {"download", "prepare"}
        assert colleague.git("status", "--porcelain", "--", ".", ":!metrics/environment") == ""
        colleague.git("checkout", "-q", "metrics/environment")
        again = colleague.python("-m", "erkt", "track")
        assert again.returncode == 0, again.stderr
        assert again.stdout.count("run made from files") == len(executed) - 2

        ran, made = picture(uri(own), "erkt"), picture(uri(colleague), "erkt")
        assert ran.keys() == made.keys()
        assert len(ran) == len(executed) + 1
        for name in ran:
            for part in ("status", "params", "metrics"):
                assert ran[name][part] == made[name][part], (name, part)
            for artifacts in (ran[name]["artifacts"], made[name]["artifacts"]):
                artifacts.pop("runs.json", None)
            assert ran[name]["artifacts"] == made[name]["artifacts"], name
        assert [step for step, _ in ran["distill@0"]["metrics"]["loss"]] == [1, 2]
        assert "student.oa" in ran["evaluate@0"]["metrics"]
        assert {"0.json"} <= ran["evaluate@0"]["artifacts"].keys()
        with closing(sqlite3.connect(colleague.folder / "mlflow.db")) as database:
            before = list(database.iterdump())
            assert colleague.python("-m", "erkt", "track").returncode == 0
            assert list(database.iterdump()) == before
