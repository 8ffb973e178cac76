"""What has to be as in the commit before an experiment runs."""

import subprocess
from pathlib import Path

import pytest

from erkt.errors import ErktError
from erkt.pipeline.revision import check_committed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("erkt/a.py", "metrics/m.json", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        command = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t", *words]
        subprocess.run(command, check=True)
    return tmp_path


def check(root: Path) -> None:
    check_committed(root, [Path("metrics"), Path("dvc.lock")], ["erkt"])


@pytest.mark.parametrize("name", [None, "metrics/m.json", "metrics/new.json", "new.txt"])
def test_what_runs_make_and_files_beside_the_code_may_differ(root: Path, name: str | None) -> None:
    if name:
        (root / name).write_text("other")
    check(root)


@pytest.mark.parametrize("name", ["erkt/a.py", "notes.txt", "erkt/new.py"])
def test_tracked_files_and_new_ones_among_the_code_may_not(root: Path, name: str) -> None:
    (root / name).write_text("other")
    with pytest.raises(ErktError, match=rf"^{name}: not as in commit .*commit first, so that every number"):
        check(root)
