"""git, DVC and MLflow at the edges: where the project lies, whose it is, and what was deleted."""

import ast
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from clone import Clone
from closure import ROOT
from faulty_server import faulty_server
from packed import refused, write, zip_of

from erkt.pipeline import finished
from erkt.pipeline.commands import experiment, merge_lock
from erkt.pipeline.doctor import git_and_dvc, tracking_store
from erkt.pipeline.experiments.runs import Run
from erkt.pipeline.git import check_whole, git_state, unusable
from erkt.tracking import mlflow_store


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project as a folder of a larger repository, which has a file of its own with one of its names."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    repository = tmp_path / "all"
    root = repository / "science/erkt"
    write(root / "params.yaml", b"seeds: [7]\n")
    write(root / "dvc.lock", b"stages: {}\n")
    write(root / "metrics/evaluate/7.json", b"[]")
    write(repository / "params.yaml", b"seeds: [666]\n")
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "first")
    git(repository, "commit", "-q", "-m", "second", "--allow-empty")
    monkeypatch.chdir(root)
    return root


# ---------------------------------------------------------------- where the project lies


def test_a_folder_of_a_larger_repository_has_its_own_files_at_a_revision(root: Path) -> None:
    commit = git(root, "rev-parse", "HEAD")
    assert Run("mine", commit, commit).params == {"seeds": [7]}
    seeds, read = finished._revision("HEAD", "metrics")
    assert (seeds, read("evaluate/7.json")) == (["7"], "[]")
    assert git_state(root)["dirty"] == "false"
    write(root / "params.yaml", b"seeds: [8]\n")
    assert git_state(root)["dirty"] == "true"


def test_a_merge_in_a_folder_of_a_larger_repository_reads_both_locks(root: Path) -> None:
    for branch, number in (("left", 1), ("right", 2)):
        git(root, "checkout", "-q", "-b", branch, "main")
        write(root / "dvc.lock", f"stages: {{a: {number}}}\n".encode())
        git(root, "commit", "-q", "-a", "-m", branch)
    subprocess.run(["git", "-C", str(root), "merge", "left"], capture_output=True, check=False)
    assert (merge_lock._side(root, "2"), merge_lock._side(root, "3")) == ({"a": 2}, {"a": 1})


def test_a_shallow_clone_is_refused_before_an_experiment_runs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_whole(root)
    git(tmp_path, "clone", "-q", "--depth", "1", (root.parents[1]).as_uri(), "shallow")
    said = refused(check_whole, tmp_path / "shallow")
    assert said.endswith("run git fetch --unshallow first")
    assert any("shallow" in str(finding) for finding in git_and_dvc.check(tmp_path / "shallow"))
    parser = ArgumentParser()
    experiment.arguments(parser)
    asked = parser.parse_args(["table9", "--preset", "scenes", "--quick"])
    monkeypatch.chdir(ROOT)  # where the experiments are
    monkeypatch.setattr(Path, "cwd", lambda: tmp_path / "shallow")
    assert refused(experiment.run, asked) == said


# ---------------------------------------------------------------- whose it is


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("broken", ["owner", "file"])
def test_a_repository_that_git_does_not_read_is_told(root: Path, broken: str) -> None:
    assert unusable(root) is None
    repository = root.parents[1]
    if broken == "owner":
        for path in (repository, repository / ".git"):
            os.chown(path, 12345, 12345)
    else:
        write(repository / ".git/HEAD", b"nonsense")
    assert git_state(root) == {}
    said = unusable(root)
    assert said is not None
    assert ("dubious ownership" in said) == (broken == "owner")
    (finding, *_) = git_and_dvc.check(root)
    assert (finding.level, finding.what) == ("problem", f"git: no commit would be on record ({said})")
    assert ("safe.directory" in finding.fix) == (broken == "owner")


def test_without_a_repository_there_is_nothing_to_warn_of(tmp_path: Path) -> None:
    assert unusable(tmp_path) is None
    assert next(iter(git_and_dvc.check(tmp_path))).level == "note"


def test_a_dvc_of_another_python_is_noted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.level for finding in git_and_dvc.check(root)] == ["ok"]
    other = write(root.parent / "bin/dvc", b"#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{os.environ['PATH']}")
    *_, finding = git_and_dvc.check(root)
    assert f"the shell starts {other}, which belongs to another Python" in finding.what


@pytest.mark.parametrize("missing", ["yaml", "numpy", "filelock"])
def test_a_python_without_the_packages_ends_a_stage_in_one_line(missing: str, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "sys.argv = ['erkt', 'stage', 'split', '--seed', '0']\n"
        "from erkt.cli import main; main()"
    )
    done = in_folder(tmp_path, code)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {missing} is not installed for {sys.executable}; make setup installs it")


def in_folder(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "dvc.yaml", folder)
    command, path = [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=path, capture_output=True, text=True, check=False)


def ended(folder: Path, code: str) -> str:
    """Return the one line with which a stage ends that a dvc started with another Python."""
    code = f"import runpy, sys, types\nsys.argv = ['erkt', 'stage', 'split', '--seed', '0']\n{code}"
    code += "\nrunpy.run_module('erkt', run_name='__main__', alter_sys=True)"
    done = in_folder(folder, code)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    return line


def test_a_python_with_a_package_of_another_version_ends_a_stage_in_one_line(tmp_path: Path) -> None:
    line = ended(tmp_path, "sys.modules['filelock'] = types.ModuleType('filelock')")
    assert line.startswith(f"error: filelock of {sys.executable} does not do (cannot import name 'FileLock'")
    assert "source .venv/bin/activate" in line


def test_a_python_that_is_too_old_ends_a_stage_in_one_line(tmp_path: Path) -> None:
    line = ended(tmp_path, "sys.version_info = (3, 9, 2, 'final', 0)")
    assert line.startswith(f"error: {sys.executable} is Python 3.9, and erkt needs 3.11; source .venv/bin/")


@pytest.mark.parametrize("path", ["erkt/__init__.py", "erkt/__main__.py"])
def test_what_says_so_can_be_read_by_an_old_python(path: str) -> None:
    ast.parse((ROOT / path).read_text(encoding="utf-8"), feature_version=(3, 7))


# ---------------------------------------------------------------- secrets


def test_a_stage_leaves_nothing_of_a_secret_address(tmp_path: Path) -> None:
    """Neither on the console nor in a file, whether the download succeeds or not."""
    clone = Clone(tmp_path)
    images = zip_of({f"{name}/{number}.png": b"x" for name in "ab" for number in range(3)})
    digest = hashlib.sha256(images).hexdigest()
    clone.params["dataset"] |= {"source": "archive", "scenes": None, "location": "$PLACE", "sha256": digest}
    clone.write_params()
    with faulty_server() as server:
        there = server.serve("/a.zip", images).replace("//", "//me:hidden@") + "?signature=hidden"
        found = clone.python("-m", "erkt", "stage", "download", PLACE=there)
        gone = clone.python("-m", "erkt", "stage", "download", PLACE=there.replace("/a.zip", "/b.zip"))
    assert (found.returncode, gone.returncode) == (0, 1), found.stderr
    assert "error: download: $PLACE: the server answered 404" in gone.stderr
    assert "hidden" not in found.stdout + found.stderr + gone.stdout + gone.stderr
    made = [path for part in ("data", "metrics", ".inflight") for path in (tmp_path / part).rglob("*")]
    files = [path for path in made if path.is_file()]
    assert tmp_path / "metrics/environment/download.json" in files
    assert [path for path in files if b"hidden" in path.read_bytes()] == []


# ---------------------------------------------------------------- what was deleted


def test_an_experiment_that_was_deleted_is_told_with_the_way_to_restore_it(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client, number = mlflow_store.connect(uri, "mine")
    assert [str(one) for one in tracking_store.check(uri, "mine") if one] == [
        f"ok       MLflow: {uri} can be written"
    ]
    client.delete_experiment(number)
    expected = f"the experiment mine was deleted; run mlflow experiments restore --experiment-id {number} ("
    assert refused(mlflow_store.connect, uri, "mine").startswith(expected)
    assert refused(list, tracking_store.check(uri, "mine")).startswith(expected)
    mlflow_store.connect(uri, "another")
    client.restore_experiment(number)
    assert mlflow_store.connect(uri, "mine")[1] == number


def test_a_database_of_something_else_is_no_reason_to_fail(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    assert [one.level for one in tracking_store.check(f"sqlite:///{path}", "mine") if one] == ["ok"]


# ---------------------------------------------------------------- params and consoles


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seeds:", "seeds: [1]\nseeds:", "the key 'seeds' is there twice, first at line"),
        ("  val_percent:", "  val_percent: 1\n  val_percent:", "the key 'val_percent' is there twice"),
        ("  resnet:\n", "  resnet: null\n  resnet:\n", "the key 'resnet' is there twice"),
        ("seeds:", "\tseeds:", "is not YAML"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = (ROOT / "params.yaml").read_text()
    assert text.count(old) >= 1
    path = write(tmp_path / "params.yaml", text.replace(old, new, 1).encode())
    done = run_params(path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert expected in line


def run_params(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "erkt", "params", str(path)]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [("20", "; write 20 without quotes"), ("+20", "; write 20 without"), ("20.5", "found text ('20.5')")],
)
def test_a_number_in_quotes_is_given_back_as_it_is_to_be_written(
    tmp_path: Path, value: str, expected: str
) -> None:
    params = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text())
    params["distill"]["recipe"]["epochs"] = value
    path = write(tmp_path / "params.yaml", yaml.safe_dump(params).encode())
    line = run_params(path).stderr.strip()
    assert expected in line
    assert ("20.0" in line, line.endswith("without quotes")) == (False, value != "20.5")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_without_the_characters_gets_escapes(tmp_path: Path, encoding: str) -> None:
    write(tmp_path / "tree/森林/1.png", b"no image")
    command = [sys.executable, "-m", "erkt", "data", "check", str(tmp_path / "tree")]
    environment = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)
    assert rb"\u68ee\u6797/1.png: not an image of a known format" in done.stdout
