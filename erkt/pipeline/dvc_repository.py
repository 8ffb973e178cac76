"""DVC's own view of the repository, for commands; a stage starts without DVC, whose import takes long."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from erkt.errors import ErktError
from erkt.tracking.mlflow_store import told

_SHOWN = 3


@contextmanager
def opened() -> Iterator[Any]:
    """Yield ``dvc.repo.Repo`` of the working directory; what it raises becomes an ErktError in one line."""
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            yield repo
    except ErktError:
        raise
    except Exception as error:  # remotes raise what their own libraries do
        raise ErktError(f"DVC: {told(error)}") from error


def push_all(repo: Any, cells: Sequence[str] | None = None) -> int:
    """Send what ``cells`` made (None: all) to the default remote; return how many files were new to it.

    That is what DVC caches, what it remembers of runs, and what it leaves to git.
    """
    pushed: int = repo.push(targets=cells, run_cache=True)
    stages = [stage for stage in repo.index.stages if cells is None or stage.addressing in cells]
    kept_by_git = [out for stage in stages for out in stage.outs if not out.use_cache]
    done = repo.cloud.push({out.hash_info for out in kept_by_git if out.hash_info})
    return pushed + len(done.transferred)


def check_recorded() -> None:
    """Raise ErktError naming the stages whose inputs or outputs are not those that dvc.lock holds."""
    with opened() as repo:
        changed = list(repo.status())
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise ErktError(
            f"{', '.join(changed[:_SHOWN])}{more}: what lies here does not belong to the present code and "
            "params; run dvc repro and commit first"
        )
