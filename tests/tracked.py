"""A checkout whose pipeline looks finished without having run, and what a store of MLflow holds."""

import contextlib
import functools
import os
import shutil
import sqlite3
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import standin
from clone import Clone

from erkt.pipeline.cells import Cell, all_cells
from erkt.pipeline.commands import track
from erkt.pipeline.inputs import inputs_digest
from erkt.tracking import mlflow_store


class Checkout(Clone):
    """A clone whose stages make their outputs up, as if all had run; recorded in dvc.lock and committed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for script in (folder / "stages").glob("[!_]*.py"):
            shutil.copyfile(standin.__file__, script)
        with contextlib.chdir(folder):
            for cell in self.cells():
                standin.make(cell, self.key(cell))
        self.record()

    def cells(self) -> list[Cell]:
        with contextlib.chdir(self.folder):
            return all_cells(self.params)

    def key(self, cell: Cell) -> str:
        with contextlib.chdir(self.folder):
            return inputs_digest(cell, self.params)

    def record(self) -> None:
        """Have DVC take what lies here for the present code and params, and commit it."""
        done = self.python("-m", "dvc", "commit", "--force")
        assert done.returncode == 0, done.stderr
        self.commit("a made-up run")

    def track(self) -> None:
        """Run ``python -m erkt track`` in this process."""
        with contextlib.chdir(self.folder):
            assert track.run(Namespace()) == 0


@contextlib.contextmanager
def no_settings() -> Iterator[None]:
    """Take the user's settings of MLflow away, and afterwards those that a run set in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in {*mlflow_store._DEFAULTS, *(name for name in os.environ if name.startswith("MLFLOW_"))}:
            patch.setenv(name, "")  # so that the end of the context removes what is set from here on
            patch.delenv(name)
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@functools.cache
def empty_database() -> bytes:
    """Return a database of MLflow with its tables and the experiment: copying one is quick."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "mlflow.db"
        mlflow_store.connect(f"sqlite:///{database}", "another experiment")
        return database.read_bytes()


def dump(folder: Path) -> tuple[list[str], dict[str, bytes]]:
    """Return everything in the default store of ``folder``: its tables as SQL, its artifacts by path."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
        return list(database.iterdump()), files(folder / "mlartifacts")


def files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below ``folder`` by path."""
    found = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}


def picture(uri: str, experiment: str) -> dict[str, dict[str, Any]]:
    """Return all that the runs of an experiment hold, by name, apart from ids and the times of runs.

    Points of metrics are (step, value); a name that two runs share is an error.
    """
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    shown: dict[str, dict[str, Any]] = {}
    for run in client.search_runs([found.experiment_id]) if found else ():
        assert run.info.run_name not in shown
        points = {
            name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
        }
        with tempfile.TemporaryDirectory() as folder:
            client.download_artifacts(run.info.run_id, "", folder)
            artifacts = files(Path(folder))
        shown[run.info.run_name] = {
            "status": run.info.status,
            "tags": run.data.tags,
            "params": run.data.params,
            "metrics": points,
            "artifacts": artifacts,
        }
    return shown
