"""A temporary clone of this repository with a tiny protocol, and what `dvc repro` does in it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from closure import ROOT
from filelock import FileLock

TINY = ROOT / "tests/tiny.yaml"
KEPT = {"results/literature.csv"}


class Clone:
    """A repository of its own, with its own DVC cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = self.git("-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        for name in filter(None, listed.split("\0")):
            made = name.startswith(("data/", "metrics/", "results/", "dvc.lock")) and name not in KEPT
            if made or not (ROOT / name).is_file():
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
        self.params: dict[str, Any] = yaml.safe_load(TINY.read_text(encoding="utf-8"))
        self.write_params()
        self.git("init", "-q", ".")
        self.commit("start")

    @classmethod
    def at(cls, folder: Path) -> "Clone":
        """Return the clone that lies in ``folder`` already."""
        made = cls.__new__(cls)
        made.folder = folder
        made.params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
        return made

    def git(self, *arguments: str) -> str:
        """Run git in the clone; return what it prints."""
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def write_params(self) -> None:
        """Write ``self.params`` to params.yaml."""
        (self.folder / "params.yaml").write_text(
            yaml.safe_dump(self.params, sort_keys=False), encoding="utf-8"
        )

    def environment(self) -> dict[str, str]:
        """Return the variables of a process in the clone, without the developer's own of DVC and MLflow."""
        own = ("DVC_", "ERKT_", "MLFLOW_TRACKING_URI")
        outer = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        return outer | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{outer['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(self.folder),
        }

    def python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the clone, with this interpreter first on the path."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment() | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def repro(self, *targets: str, **environment: str) -> set[str]:
        """Run ``dvc repro``; return the names of the stages that it executed.

        Without ``targets`` it goes to the summary, without the stages that nothing else needs.
        """
        done = self.python("-m", "dvc", "repro", *(targets or ["summarize"]), **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return set(re.findall(r"^Running stage '([^']+)'", done.stdout, flags=re.MULTILINE))

    def change(self, change: Callable[[dict[str, Any]], Any]) -> set[str]:
        """Change the params, run ``dvc repro``, and return what it executed."""
        change(self.params)
        self.write_params()
        return self.repro()

    def outputs(self) -> Mapping[str, bytes]:
        """Return the bytes of everything under data and metrics that a result could depend on."""
        files = [*(self.folder / "data").rglob("*"), *(self.folder / "metrics").rglob("*")]
        return {
            file.relative_to(self.folder).as_posix(): file.read_bytes()
            for file in files
            if file.is_file() and "environment" not in file.parts
        }


def forget_object(cache: Path, md5: str) -> None:
    """Delete an object of DVC's cache, and what it lists if it is a folder's."""
    path = cache / md5[:2] / md5[2:]
    if md5.endswith(".dir"):
        for entry in json.loads(path.read_text(encoding="utf-8")):
            forget_object(cache, entry["md5"])
    path.unlink(missing_ok=True)


def finished_clone(factory: pytest.TempPathFactory) -> tuple[Clone, set[str]]:
    """Return a clone of one's own in which every stage has run, committed, and the cells that ran.

    It is made once in a run of pytest, whichever of its workers comes first, and copied for each who asks.
    """
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    origin, executed = shared / "finished", shared / "finished.json"
    with FileLock(shared / "finished.lock"):
        if not executed.exists():
            origin.mkdir()
            made = Clone(origin)
            cells = made.repro("--all-pipelines")
            made.commit("run")
            executed.write_text(json.dumps(sorted(cells)), encoding="utf-8")
    folder = factory.mktemp("clone")
    shutil.copytree(origin, folder, symlinks=True, dirs_exist_ok=True)
    return Clone.at(folder), set(json.loads(executed.read_text(encoding="utf-8")))
