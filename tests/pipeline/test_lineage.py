import subprocess
from pathlib import Path

import pytest

from erkt.pipeline.lineage import git_state


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # set while a hook of this project runs
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "a project"
    root.mkdir()
    git(root, "init", "-q")
    (root / ".gitignore").write_text("data/\n", encoding="utf-8")
    (root / "dvc.lock").write_text("", encoding="utf-8")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def test_a_clean_tree_is_its_commit(repository: Path) -> None:
    (repository / "data").mkdir()
    (repository / "data" / "ignored").write_text("", encoding="utf-8")
    assert git_state(repository) == {"commit": git(repository, "rev-parse", "HEAD"), "dirty": "false"}


@pytest.mark.parametrize("name", ["dvc.lock", "new.py"])
def test_a_changed_or_a_new_file_makes_it_dirty(repository: Path, name: str) -> None:
    (repository / name).write_text("changed", encoding="utf-8")
    assert git_state(repository)["dirty"] == "true"


def test_what_the_pipeline_writes_does_not_make_it_dirty(repository: Path) -> None:
    (repository / "dvc.lock").write_text("changed", encoding="utf-8")
    (repository / "metrics").mkdir()
    (repository / "metrics" / "a.json").write_text("{}", encoding="utf-8")
    assert git_state(repository, ("dvc.lock", "metrics"))["dirty"] == "false"
    assert git_state(repository, ("metrics",))["dirty"] == "true"


def test_without_a_commit_a_repository_or_git_the_state_is_empty(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert git_state(fresh) == {}
    git(fresh, "init", "-q")
    assert git_state(fresh) == {}
    monkeypatch.setenv("PATH", str(fresh))
    assert git_state(repository) == {}
