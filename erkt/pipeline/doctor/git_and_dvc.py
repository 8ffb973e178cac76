"""Whether git tells the commit, whether DVC can keep experiments, and which dvc the shell would start."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from erkt.errors import ErktError
from erkt.pipeline.doctor.findings import Finding, note, ok, problem
from erkt.pipeline.git import check_whole, git_state, unusable


def check(root: Path) -> Iterator[Finding]:
    """Yield what is found about the repository at ``root`` and the program dvc."""
    if said := unusable(root):
        owned = re.search(r"ownership in repository at '(.+?)'", said)
        top = shlex.quote(owned[1]) if owned else ""
        fix = f"git config --global --add safe.directory {top}" if owned else "see git status and git fsck"
        yield problem(f"git: no commit would be on record ({said})", fix)
    elif state := git_state(root):
        changed = ", with changes that are in no commit" if state["dirty"] == "true" else ""
        yield ok(f"git: commit {state['commit'][:10]}{changed}")
        try:
            check_whole(root)
        except ErktError:
            yield note("git: a shallow clone, in which DVC keeps no experiment", "git fetch --unshallow")
    else:
        yield note("git: no repository with a commit here, so no number has one", "git init, then commit")
    found = shutil.which("dvc")
    if found and Path(found).parent != Path(sys.executable).parent:
        yield note(
            f"dvc: the shell starts {found}, which belongs to another Python than {sys.executable}",
            "source .venv/bin/activate",
        )
