"""Git, run as a program: which commit is checked out, and what differs from it.

DVC brings libraries that read git too, but a stage starts without DVC, and they neither leave paths out of a
status nor stop waiting.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from erkt.errors import ErktError

_SECONDS = 60  # for a status of a large working tree on a network folder
_SHOWN = 3


def git(root: Path, *arguments: str, given: str | None = None) -> str:
    """Return what git prints in ``root``, where it reads ``given``.

    Raises ErktError if it fails, is missing, or takes a minute.
    """
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise ErktError(f"git {arguments[0]}: {' '.join(error.stderr.split())}") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise ErktError(f"git {arguments[0]}: {error}") from None
    return done.stdout


def git_state(root: Path, outputs: Sequence[str] = ()) -> dict[str, str]:
    """Return ``{"commit": <hash>, "dirty": "true" or "false"}``; empty without git, a repository or a commit.

    Dirty means that something under ``root`` differs from the commit, files that git neither tracks nor
    ignores included. ``outputs`` are paths that the pipeline itself writes, such as ``dvc.lock``; they do not
    count.
    """
    try:
        commit = git(root, "rev-parse", "--verify", "HEAD").strip()
        return {"commit": commit, "dirty": "true" if _changed(root, _without(outputs)) else "false"}
    except ErktError:
        return {}


def commit_of(root: Path, outputs: Sequence[str] = ()) -> str | None:
    """Return ``git_state``'s commit, with ``-dirty`` where something differs; None without one."""
    state = git_state(root, outputs)
    return state["commit"] + ("-dirty" if state["dirty"] == "true" else "") if state else None


def unusable(root: Path) -> str | None:
    """Return why git does not tell the commit of the repository that ``root`` is in; None if it does.

    None as well where there is no repository, or none with a commit: then there is none to tell.
    """
    if not any((folder / ".git").exists() for folder in (root.resolve(), *root.resolve().parents)):
        return None
    try:
        git(root, "rev-parse", "--git-dir")
        git(root, "status", "--porcelain", "--untracked-files=no")  # reads the index
    except ErktError as error:
        return str(error)
    return None


def check_whole(root: Path) -> None:
    """Raise ErktError in a shallow clone, in which DVC does not keep the experiments that it runs."""
    if git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise ErktError(
            "this is a shallow clone, in which DVC keeps no experiment; run git fetch --unshallow first"
        )


@dataclass(frozen=True)
class Revision:
    """A commit: its hash, its first line, when it was authored (ms since 1970), DVC's experiment or ""."""

    commit: str
    subject: str
    authored: int
    experiment: str


def read_clean(root: Path) -> Revision:
    """Return the commit that is checked out in ``root``.

    Raises ErktError if there is none, or if something under ``root`` differs from it, files that git neither
    tracks nor ignores included.
    """
    head = git(root, "log", "-1", "--no-show-signature", "--format=%H%n%at%n%s")
    commit, authored, subject = head.split("\n")[:3]
    _refuse(_changed(root, ["."]), commit, "so that what is tracked has a commit of its own")
    experiments = git(root, "for-each-ref", "--points-at=HEAD", "--format=%(refname:lstrip=-1)", "refs/exps")
    return Revision(commit, subject, int(authored) * 1000, ", ".join(sorted(set(experiments.split()))))


def check_committed(root: Path, leaving_out: Sequence[Path], code: Sequence[str]) -> None:
    """Raise ErktError if a file that git tracks differs from the commit; those in ``leaving_out`` may.

    Files that it does not track are refused among ``code``, where they would count as code.
    """
    commit = git(root, "rev-parse", "HEAD").strip()
    tracked = _changed(root, _without([path.as_posix() for path in leaving_out]), "--untracked-files=no")
    _refuse(
        tracked or _changed(root, code, "--untracked-files=all"), commit, "so that every number has a commit"
    )


def _without(paths: Sequence[str]) -> list[str]:
    return [".", *(f":(exclude){path}" for path in paths)]


def _changed(root: Path, where: Sequence[str], *options: str) -> list[str]:
    """Return the paths in ``where`` that differ from the commit."""
    # Two letters and a space, then the name; each ends with a zero byte, so that no name is quoted.
    listed = git(root, "status", "--porcelain", "--no-renames", "-z", *options, "--", *where)
    return [entry[3:] for entry in listed.split("\0")[:-1]]


def _refuse(names: Sequence[str], commit: str, why: str) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise ErktError(
            f"{', '.join(names[:_SHOWN])}{more}: not as in commit {commit[:10]}; commit first, {why}"
        )
