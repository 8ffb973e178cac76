"""Which version of the code a run belongs to."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

_SECONDS = 10  # a git that waits, for example on a sleeping network folder, must not hold up a stage


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    finished = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=_SECONDS, check=True
    )
    return finished.stdout


def git_state(root: Path, outputs: Sequence[str] = ()) -> dict[str, str]:
    """Return ``{"commit": <hash>, "dirty": "true" or "false"}`` of the repository that holds ``root``.

    Dirty means that something under ``root`` differs from the commit, files that git neither tracks nor
    ignores included. ``outputs`` names paths relative to ``root`` that the pipeline itself writes, such
    as ``dvc.lock``: a pipeline that has run its first stage would else call every later one dirty.
    Without git, a repository or a first commit the result is empty.
    """
    try:
        commit = _git(root, "rev-parse", "--verify", "HEAD").strip()
        excluded = [f":(exclude){path}" for path in outputs]
        changed = _git(root, "status", "--porcelain", "--", ".", *excluded)
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": commit, "dirty": "true" if changed else "false"}
