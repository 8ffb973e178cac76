"""What earlier runs left: states of long stages, temporary files, and folders of killed experiments."""

import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from erkt.errors import ErktError
from erkt.files.replace import PART
from erkt.inflight.states import Found, State, read_result, survey
from erkt.pipeline import lock, paths
from erkt.pipeline.cells import all_cells
from erkt.pipeline.doctor.findings import Finding, note, ok, size
from erkt.pipeline.inputs import inputs_digest

_EXPERIMENTS = Path(".dvc/tmp/exps/standalone")
"""Where ``dvc exp run --temp`` works, in a folder each, which it leaves if it is killed."""

_STALE_SECONDS = 7 * 86400.0
_LEFT_SECONDS = 86400.0


def check(root: Path, store: Path, params: Mapping[str, Any]) -> Iterator[Finding | None]:
    """Yield None, then a line for each state in ``store`` and each temporary file that nobody is writing."""
    yield None
    states = survey(store)
    for found in states:
        yield _state(store, found, params)
    if not states:
        yield ok(f"in-flight: nothing in {store}")
    left = [folder.rglob(f"{PART}*") for folder in (root / "data", root / paths.METRICS)]
    for found_there in (*left, (root / _EXPERIMENTS).glob("tmp*")):
        with suppress(OSError):  # another process may be deleting some of it
            for path in sorted(found_there):
                yield from _leftover(path)


def _state(store: Path, found: Found, params: Mapping[str, Any]) -> Finding:
    """Return a note if nobody has wanted the state for a week, else what becomes of it."""
    idle = timedelta(seconds=int(found.idle_seconds))
    shown = f"in-flight: {found.stage} ({size(found.bytes)}, last written {idle} ago) is"
    if _in_use(State(store, found.stage, found.folder.name.rpartition("-")[2]).lock):
        return ok(f"{shown} at work")
    with suppress(ErktError):  # a damaged result
        if found.finished and lock.holds(found.stage, read_result(found.folder)):
            return ok(f"{shown} in dvc.lock, and removed by the next stage")
    kind, wanted = "finished" if found.finished else "unfinished", True
    with suppress(ErktError):  # without all inputs of the cell it cannot be told
        keys = (inputs_digest(cell, params) for cell in all_cells(params) if cell.name == found.stage)
        wanted = any(State(store, found.stage, key).folder == found.folder for key in keys)
    if wanted:
        return ok(f"{shown} {kind}, and dvc repro goes on from it")
    said = f"{shown} {kind}, of other params or code"
    return note(said, _remove(found.folder)) if found.idle_seconds > _STALE_SECONDS else ok(said)


def _in_use(file: Path) -> bool:
    if not file.exists():
        return False
    try:
        with FileLock(file, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # not ours to open: whoever works on it is told so by the stage


def _leftover(path: Path) -> Iterator[Finding]:
    if any(_in_use(held) for held in (path / paths.RUNNING).glob("*.lock")):
        return  # a stage that writes elsewhere for days
    facts = [file.stat() for file in (path, *path.rglob("*"))]
    idle = time.time() - max(fact.st_ctime for fact in facts)  # a link to an older file has its mtime
    if idle > _LEFT_SECONDS:
        left = f"left by a process that was killed {timedelta(seconds=int(idle))} ago"
        yield note(f"leftovers: {path}: {left}, {size(sum(fact.st_size for fact in facts))}", _remove(path))


def _remove(path: Path) -> str:
    return f"rm -r {shlex.quote(str(path))}"
