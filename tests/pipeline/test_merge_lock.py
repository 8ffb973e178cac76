"""``erkt merge-lock``: each cell of dvc.lock, and what git keeps of it, from the side that has changed it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from erkt.pipeline.commands.merge_lock import join


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "cells", "from_theirs", "both"),
    [
        ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}, ["a"], []),
        ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}, [], []),
        ({"a": 1}, {"a": 2}, {"a": 2}, {"a": 2}, [], []),
        ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 2}, [], ["a"]),
        ({}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}, ["b"], []),
        ({"a": 1, "b": 1}, {"a": 1}, {"a": 1, "b": 1}, {"a": 1}, [], []),
        ({"a": 1, "b": 1}, {"a": 1, "b": 1}, {"a": 1}, {"a": 1}, [], []),
    ],
)
def test_a_cell_comes_from_the_side_that_has_changed_it(
    base: dict, ours: dict, theirs: dict, cells: dict, from_theirs: list[str], both: list[str]
) -> None:
    joined = join(base, ours, theirs)
    assert (joined.cells, joined.theirs, joined.both) == (cells, from_theirs, both)


class Repository:
    """One in which both branches have changed the first and the last cell, and theirs the one between."""

    def __init__(self, top: Path, below: str = ".") -> None:
        self.folder = folder = top / below
        self.git("-C", str(top), "init", "-q", "-b", "main")
        (folder / "dvc.yaml").write_text("stages: {}\n")
        self.commit("0", {"a": "0", "b": "0", "c": "0"})
        self.git("switch", "-q", "-c", "theirs")
        self.commit("theirs", {"a": "0", "b": "theirs", "c": "theirs", "new": "theirs"})
        self.git("switch", "-q", "main")
        self.commit("ours", {"a": "ours", "b": "0", "c": "ours"})

    def git(self, *words: str, check: bool = True) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@t"]
        done = subprocess.run(
            ["git", *who, *words], cwd=self.folder, check=check, capture_output=True, text=True
        )
        return done.stdout

    def commit(self, message: str, cells: dict[str, str]) -> None:
        lock = {
            name: {"cmd": "x", "outs": [{"path": f"metrics/s/{name}.json", "md5": content}]}
            for name, content in cells.items()
        }
        (self.folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": lock}))
        for name, content in cells.items():
            for file in (f"metrics/s/{name}.json", f"metrics/environment/{name}.json"):
                (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / file).write_text(f"{content}\n")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def merge_lock(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "erkt", "merge-lock"]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)


def test_lock_and_metrics_are_joined_and_the_rest_is_said(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    refused = repository.merge_lock()
    assert refused.returncode == 1
    assert refused.stderr == (
        "error: no merge is under way; it takes one: git merge BRANCH (a rebase or cherry-pick is not one)\n"
    )
    assert "CONFLICT" in repository.git("merge", "theirs", check=False)
    done = repository.merge_lock()
    assert done.returncode == 0, done.stderr
    assert done.stderr == "c: both sides have changed it; this side's is taken\n"
    assert "4 cells, 2 of them from the other side" in done.stdout
    cells = yaml.safe_load((tmp_path / "dvc.lock").read_text())["stages"]
    taken = {name: cell["outs"][0]["md5"] for name, cell in cells.items()}
    assert taken == {"a": "ours", "b": "theirs", "c": "ours", "new": "theirs"}
    for name, content in taken.items():
        assert (tmp_path / f"metrics/s/{name}.json").read_text() == f"{content}\n"
        assert (tmp_path / f"metrics/environment/{name}.json").read_text() == f"{content}\n"
    repository.git("commit", "-q", "-m", "both")
    assert repository.git("status", "--porcelain") == ""


def test_in_a_folder_of_a_larger_repository_metrics_are_joined_too(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    repository = Repository(tmp_path, "below")
    repository.git("merge", "theirs", check=False)
    done = repository.merge_lock()
    assert done.returncode == 0, done.stderr
    metrics = {path.name: path.read_text() for path in (tmp_path / "below/metrics/s").iterdir()}
    assert metrics == {"a.json": "ours\n", "b.json": "theirs\n", "c.json": "ours\n", "new.json": "theirs\n"}


def test_a_cherry_pick_is_no_merge(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.git("cherry-pick", "theirs", check=False)
    before = (tmp_path / "dvc.lock").read_text()
    done = repository.merge_lock()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no merge is under way" in done.stderr
    assert (tmp_path / "dvc.lock").read_text() == before


def test_a_side_that_is_no_lock_is_named(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    (tmp_path / "dvc.lock").write_text("nothing: here\n")
    repository.git("commit", "-q", "-a", "-m", "broken")
    repository.git("merge", "theirs", check=False)
    done = repository.merge_lock()
    assert (done.returncode, done.stderr) == (1, "error: dvc.lock of side 2 of the merge holds no stages\n")
