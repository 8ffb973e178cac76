"""What git says of a repository: a run's tags, and what a commit must hold."""

import re
import subprocess
from pathlib import Path

import pytest

from erkt.errors import ErktError
from erkt.pipeline.git import check_committed, git_state, read_clean

AUTHORED = "2024-02-29T12:00:00+0000"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository below a folder that is none, whatever lies above."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # set while a hook of this project runs
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    root = tmp_path / "a project"
    for name in ("erkt/a.py", "metrics/m.json", "notes.txt", "dvc.lock"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / ".gitignore").write_text("data/\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first\n\nmore", "--date", AUTHORED)
    return root


def test_a_clean_tree_is_its_commit(root: Path) -> None:
    (root / "data").mkdir()
    (root / "data/ignored").write_text("")
    commit = git(root, "rev-parse", "HEAD")
    assert git_state(root) == {"commit": commit, "dirty": "false"}
    git(root, "update-ref", "refs/exps/ab/cdef/odd-cat", "HEAD")
    head = read_clean(root)
    assert (head.commit, head.subject, head.authored, head.experiment) == (
        commit,
        "first",
        1_709_208_000_000,
        "odd-cat",
    )


@pytest.mark.parametrize("name", ["dvc.lock", "metrics/new.json", "new\t\udce9.py"])
def test_a_changed_or_a_new_file_makes_it_dirty_unless_the_pipeline_writes_it(root: Path, name: str) -> None:
    (root / name).write_text("changed")
    assert git_state(root)["dirty"] == "true"
    assert git_state(root, ("dvc.lock", "metrics"))["dirty"] == ("true" if "new\t" in name else "false")
    shown = re.escape(name.replace("\t", "\\t"))
    with pytest.raises(
        ErktError, match=rf"^{shown}: not as in commit .*commit first, so that what is tracked"
    ):
        read_clean(root)


def test_without_a_commit_a_repository_or_git_there_is_no_state_and_one_line(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = root.parent / "fresh"
    fresh.mkdir()
    assert git_state(fresh) == {}
    with pytest.raises(ErktError, match=r"^git log: fatal: not a git repository.*$"):
        read_clean(fresh)
    git(fresh, "init", "-q")
    assert git_state(fresh) == {}
    monkeypatch.setenv("PATH", str(fresh))
    assert git_state(root) == {}
    with pytest.raises(ErktError, match=r"^git log: .*No such file"):
        read_clean(root)


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("metrics/m.json", False),
        ("metrics/new.json", False),
        ("new.txt", False),
        ("notes.txt", True),
        ("erkt/a.py", True),
        ("erkt/new.py", True),
    ],
)
def test_before_an_experiment_only_what_runs_make_and_new_files_beside_the_code_may_differ(
    root: Path, name: str, refused: bool
) -> None:
    def check() -> None:
        check_committed(root, [Path("metrics"), Path("dvc.lock")], ["erkt"])

    check()
    (root / name).write_text("other")
    if refused:
        with pytest.raises(ErktError, match=rf"^{name}: not as in commit .*, so that every number"):
            check()
    else:
        check()
