"""One repository in which everything has run once, to be copied by every test of docs/team.md."""

import getpass
import shutil
from pathlib import Path

import pytest
from clone import finished_clone
from closure import ROOT
from shell_blocks import Team, blocks

DOCUMENT = ROOT / "docs/team.md"
BLOCKS = blocks(DOCUMENT.read_text(encoding="utf-8"))


def make_team(factory: pytest.TempPathFactory, **variables: str) -> Team:
    """Return a team whose first clone, ``ana``, has run everything, with places of its own."""
    folder = factory.mktemp("team")
    made, _ = finished_clone(factory)
    made.git("branch", "--move", "main")
    made.git("init", "-q", "--bare", "--initial-branch=main", str(folder / "git"))
    made.git("push", "-q", str(folder / "git"), "main")
    shutil.move(made.folder, folder / "ana")
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
