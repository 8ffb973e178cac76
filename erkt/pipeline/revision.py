"""The commit that is checked out, with nothing changed since."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from erkt.errors import ErktError

_SECONDS = 60  # for a status of a large working tree on a network folder
_SHOWN = 3


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
    commit, authored, subject = git(root, "log", "-1", "--no-show-signature", "--format=%H%n%at%n%s").split(
        "\n"
    )[:3]
    _refuse_changes(root, commit, "so that what is tracked has a commit of its own", ["."])
    experiments = git(root, "for-each-ref", "--points-at=HEAD", "--format=%(refname:lstrip=-1)", "refs/exps")
    return Revision(commit, subject, int(authored) * 1000, ", ".join(sorted(set(experiments.split()))))


def check_committed(root: Path, leaving_out: Sequence[Path], code: Sequence[str]) -> None:
    """Raise ErktError if a file that git tracks differs from the commit; those in ``leaving_out`` may.

    Files that it does not track are refused among ``code``, where they would count as code.
    """
    commit = git(root, "rev-parse", "HEAD").strip()
    where = [".", *(f":(exclude){path.as_posix()}" for path in leaving_out)]
    why = "so that every number has a commit"
    _refuse_changes(root, commit, why, where, "--untracked-files=no")
    _refuse_changes(root, commit, why, code, "--untracked-files=all")


def _refuse_changes(root: Path, commit: str, why: str, where: Sequence[str], *options: str) -> None:
    # Two letters and a space, then the name; each ends with a zero byte, so that no name is quoted.
    listed = git(root, "status", "--porcelain", "--no-renames", "-z", *options, "--", *where)
    names = [entry[3:] for entry in listed.split("\0")[:-1]]
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise ErktError(
            f"{', '.join(names[:_SHOWN])}{more}: not as in commit {commit[:10]}; commit first, {why}"
        )


def git(root: Path, *arguments: str) -> str:
    """Return what git prints in ``root``; ErktError with its reason if it fails or is not there."""
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=_SECONDS, check=True)
    except subprocess.CalledProcessError as error:
        raise ErktError(f"git {arguments[0]}: {' '.join(error.stderr.split())}") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise ErktError(f"git {arguments[0]}: {error}") from None
    return done.stdout
