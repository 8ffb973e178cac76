"""Whether what lies here is a commit, so that every number has one."""

from pathlib import Path

from erkt.errors import ErktError
from erkt.pipeline import paths
from erkt.pipeline.git import check_committed, git
from erkt.pipeline.recorded import CODE

_MADE = (paths.RESULTS, paths.METRICS, paths.LOCK)
"""What runs make, which may differ, as after make demo elsewhere: nothing takes numbers from there."""


def require_committed(root: Path) -> str:
    """Return the commit that is checked out at ``root``; ErktError if something else differs from it."""
    check_committed(root, _MADE, CODE)
    return git(root, "rev-parse", "HEAD").strip()


def require_commit(commit: str) -> None:
    """Raise ErktError if the working tree is not, or no longer, that of ``commit``."""
    if git(Path.cwd(), "rev-parse", "HEAD").strip() != commit:
        raise ErktError(
            f"begun at commit {commit[:10]}, which is no longer checked out; what was made is kept. "
            "Check it out again, and run the same"
        )
    require_committed(Path.cwd())
