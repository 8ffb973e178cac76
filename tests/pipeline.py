"""A temporary clone of this repository with a tiny protocol, and what `dvc repro` does in it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from closure import ROOT

NETWORK = {
    "arch": "test_byobnet",
    "weights": {"source": "none", "location": None, "revision": None, "sha256": None},
    "drop_rate": 0.0,
    "drop_path_rate": 0.0,
}
RECIPE = {
    "epochs": 1,
    "batch_size": 8,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "warmup_epochs": 0,
    "precision": "fp32",
}


def tiny_params() -> dict[str, Any]:
    """Return a protocol that runs in seconds: 70 images, two teachers, one block of one view."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["seeds"] = [0]
    params["dataset"]["scenes"] = {"per_class": 5, "side": 32, "seed": 0}
    params["prepare"]["side"] = 32
    params["split"] = {"train_percent": 60, "val_percent": 33}
    params["teachers"] = {
        "one": {"network": dict(NETWORK), "recipe": dict(RECIPE)},
        "two": {"network": dict(NETWORK, arch="test_efficientnet"), "recipe": dict(RECIPE)},
    }
    params["ensemble"] = {"search": "line", "lead": "one", "weights": None, "space": "logits"}
    params["cache"] = {"blocks": [0], "views_per_block": 1}
    params["student"] = dict(NETWORK)
    params["distill"]["recipe"] = dict(RECIPE, epochs=2)
    params["runtime"] = {"device": "cpu", "threads": 1, "inference_batch": 8}
    params["tracking"]["enabled"] = False
    return params


class Clone:
    """A repository of its own, with its own DVC cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = self.git("-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        for name in filter(None, listed.split("\0")):
            if name.startswith(("data/", "metrics/", "results/", "dvc.lock")) or not (ROOT / name).is_file():
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
        self.params = tiny_params()
        self.write_params()
        self.git("init", "-q", ".")
        self.commit("start")

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

    def python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the clone, with this interpreter first on the path."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{outer['PATH']}"
        settings = {
            "PATH": path,
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(self.folder),
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=outer | settings | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def repro(self, **environment: str) -> set[str]:
        """Run ``dvc repro``; return the names of the stages that it executed."""
        done = self.python("-m", "dvc", "repro", **environment)
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
            if file.is_file() and "environment" not in file.parts and file.name != ".gitignore"
        }
