"""DVC's own view of the repository, for commands; a stage starts without DVC, whose import takes long."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.replace import make_folder, write_text
from erkt.pipeline import lock, paths
from erkt.pipeline.git import git_state
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


def forget_lost(targets: Sequence[str], *, remote: bool) -> None:
    """Take the cells that ``targets`` (none: all) come from out of dvc.lock if DVC's cache lacks an output.

    With ``remote`` it is looked for in the default remote first.

    Where dvc.lock has a cell with the present inputs, DVC asks for those outputs alone. Without them it makes
    the cell again, although it remembers another run of it whose outputs are there: that of this kind of
    processor, for example, where dvc.lock is of another kind.
    """
    _take_out(_lost(targets, remote=remote))


@contextmanager
def without_lost() -> Iterator[None]:
    """Have no cell in dvc.lock of which DVC's cache lacks an output; in the end such cells are there again.

    Those that have been recorded anew meanwhile stay as they are. What is taken out is kept in a file until
    then. If this process is killed, the next one at the same commit puts it back.
    """
    if not paths.LOCK.is_file():
        yield
        return
    commit = git_state(Path.cwd()).get("commit", "none")
    kept = paths.RUNNING / f"dvc-lock-{commit}.yaml"
    _put_back(kept)
    lost = _lost([], remote=False)  # DVC says what is wrong if dvc.lock is damaged
    if lost:
        make_folder(kept.parent)
        write_text(kept, paths.LOCK.read_text(encoding="utf-8"))
    try:
        _take_out(lost)
        yield
    finally:
        _put_back(kept)


def _lost(targets: Sequence[str], *, remote: bool) -> set[str]:
    from dvc.exceptions import DvcException

    with opened() as repo:
        if remote:
            with suppress(DvcException):  # some of it is not there
                repo.fetch(list(targets) or None, with_deps=True)
        stages = [stage for target in targets for stage in repo.stage.collect(target, with_deps=True)]
        return {
            stage.addressing
            for stage in (stages if targets else repo.index.stages)
            if any(out.changed_cache() for out in stage.outs if out.use_cache and out.hash_info)
        }


def _take_out(names: set[str]) -> None:
    cells = lock.read_cells(paths.LOCK) if names else {}
    if names & cells.keys():
        write_cells({name: entry for name, entry in cells.items() if name not in names})


def _put_back(kept: Path) -> None:
    """Record again what ``kept``, an earlier dvc.lock, has and dvc.lock lacks."""
    if not kept.is_file():
        return
    before, now = lock.read_cells(kept), lock.read_cells(paths.LOCK) if paths.LOCK.is_file() else {}
    together = {**before, **now}
    if together == before:
        write_text(paths.LOCK, kept.read_text(encoding="utf-8"))
    else:
        write_cells(together)
    kept.unlink()


def write_cells(cells: Mapping[str, Any]) -> None:
    """Write dvc.lock with these entries as DVC does, but whole or not at all.

    Another writer of YAML leaves texts without quotes that DVC takes for numbers, such as 12e34567.
    """
    from dvc.utils.serialize import dumps_yaml

    write_text(paths.LOCK, dumps_yaml({"schema": "2.0", "stages": dict(cells)}))


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
