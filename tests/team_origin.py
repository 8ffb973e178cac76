"""One repository in which everything has run once, to be copied by every test of docs/team.md."""

import getpass
import shutil
from pathlib import Path

import pytest
from clone import Clone
from closure import ROOT
from shell_blocks import Team, blocks

DOCUMENT = ROOT / "docs/team.md"
BLOCKS = blocks(DOCUMENT.read_text(encoding="utf-8"))


def _origin(factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``git``, a bare repository, and ``ana``, a clone of it in which all stages have run.

    Made once in a run of pytest.
    """
    origin = factory.getbasetemp() / "team-origin"
    if origin.exists():
        return origin
    folder = factory.mktemp("origin")
    (folder / "ana").mkdir()
    made = Clone(folder / "ana")
    del made.params["teachers"]["two"]  # fewer stages
    made.write_params()
    made.repro("--all-pipelines")
    made.commit("First run")
    made.git("branch", "--move", "main")
    made.git("init", "-q", "--bare", "--initial-branch=main", str(folder / "git"))
    made.git("push", "-q", str(folder / "git"), "main")
    return folder.rename(origin)


def make_team(factory: pytest.TempPathFactory, **variables: str) -> Team:
    """Return a team whose first clone, ``ana``, has everything; a remote, a cache and a home are its own."""
    folder = factory.mktemp("team")
    shutil.copytree(_origin(factory), folder, dirs_exist_ok=True, symlinks=True)
    places = {
        "TEAM_GIT": str(folder / "git"),
        "TEAM_REMOTE": str(folder / "remote"),
        "TEAM_CACHE": str(folder / "cache"),
        "USER": getpass.getuser(),
    }
    made = Team(folder, BLOCKS, **places | variables)
    made.shell("ana", "git remote add origin $TEAM_GIT && git fetch -q && git branch -q -u origin/main")
    return made


def objects(folder: Path) -> set[str]:
    """Return the hashes of what a cache or a remote in a folder holds, run-cache apart."""
    return {"".join(file.parts[-2:]) for file in (folder / "files/md5").rglob("*") if file.is_file()}
