"""What earlier runs left: states of long stages, and temporary files of processes that were killed."""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from erkt.inflight.states import Found, State, survey
from erkt.pipeline.doctor.findings import Finding, note, ok
from erkt.pipeline.doctor.units import age, size

STALE_SECONDS = 7 * 86400.0
LEFT_SECONDS = 86400.0
_SHOWN = 3


@dataclass(frozen=True)
class Left:
    """A temporary file or folder: its bytes, and seconds since it was last changed."""

    path: Path
    bytes: int
    idle_seconds: float


@dataclass(frozen=True)
class Kept:
    """A state in the store.

    ``running``: a process works on it. ``present``: the pipeline's cells as they are now would go on from it;
    None where that cannot be told, because inputs of the cell are not here. ``recorded``: it is finished and
    dvc.lock holds its result.
    """

    found: Found
    running: bool
    present: bool | None
    recorded: bool

    @property
    def stale(self) -> bool:
        """Whether nobody will ask for it again, as far as can be told."""
        unwanted = not self.recorded if self.found.finished else self.present is False
        return unwanted and not self.running and self.found.idle_seconds > STALE_SECONDS


def look(
    store: Path, folders: Sequence[Path]
) -> Iterator[tuple[list[tuple[Found, bool]], list[Left]] | None]:
    """Yield None, then the states in ``store`` and whether each is in use, and what was left below ``folders``."""
    yield None
    states = [(found, _in_use(store, found)) for found in survey(store)]
    yield states, [left for folder in folders for left in _left(folder)]


def state_findings(store: Path, states: Sequence[Kept]) -> Iterator[Finding]:
    """Yield one line for each kind of state that is fine, and a note for each that is stale."""
    fresh = [state for state in states if not state.stale]
    kinds = {
        "at work": [state for state in fresh if state.running],
        "unfinished, and dvc repro goes on from them": [state for state in fresh if _is_wanted(state)],
        "unfinished, of other params or code": [state for state in fresh if _is_other(state)],
        "finished, and dvc repro takes the result": [state for state in fresh if _is_waiting(state)],
        "recorded, and removed by the next stage": [
            state for state in fresh if not state.running and state.recorded
        ],
    }
    for kind, members in kinds.items():
        if members:
            yield ok(f"in-flight: {len(members)} {kind}: {_listed(members)}")
    for state in states:
        if state.stale:
            found = state.found
            what = "finished but not in dvc.lock" if found.finished else "unfinished, of other params or code"
            idle = f"{size(found.bytes)}, untouched for {age(found.idle_seconds)}"
            yield note(f"in-flight: {found.stage} is {what}, {idle}", _remove(found.folder))
    if not states:
        yield ok(f"in-flight: nothing in {store}")


def left_findings(left: Sequence[Left]) -> Iterator[Finding]:
    """Yield a note for each temporary file that no living process can be writing."""
    for one in left:
        if one.idle_seconds > LEFT_SECONDS:
            what = f"{one.path}: left by a process that was killed {age(one.idle_seconds)} ago"
            yield note(f"leftovers: {what}, {size(one.bytes)}", _remove(one.path))


def _is_wanted(state: Kept) -> bool:
    return not state.running and not state.found.finished and state.present is not False


def _is_other(state: Kept) -> bool:
    return not state.running and not state.found.finished and state.present is False


def _is_waiting(state: Kept) -> bool:
    return not state.running and state.found.finished and not state.recorded


def _listed(states: Sequence[Kept]) -> str:
    """Return the first few by name and age, and how much they all take."""
    named = ", ".join(
        f"{state.found.stage} ({age(state.found.idle_seconds)} old)" for state in states[:_SHOWN]
    )
    more = f" and {len(states) - _SHOWN} more" if len(states) > _SHOWN else ""
    return f"{named}{more}, {size(sum(state.found.bytes for state in states))}"


def _remove(path: Path) -> str:
    return f"rm -r {shlex.quote(str(path))}"


def _in_use(store: Path, found: Found) -> bool:
    stage, _, digest = found.folder.name.rpartition("-")
    lock = State(store, stage, digest).lock
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # not ours to open: whoever works on it is told so by the stage


def _left(folder: Path) -> Iterator[Left]:
    if folder.name.startswith(".part-"):
        return
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        with suppress(OSError):  # another process may be deleting it
            if path.name.startswith(".part-"):
                files = [path, *path.rglob("*")] if path.is_dir() else [path]
                facts = [file.stat() for file in files]
                newest = max(fact.st_ctime for fact in facts)  # a link to an older file has its mtime
                yield Left(path, sum(fact.st_size for fact in facts), max(0.0, time.time() - newest))
            elif path.is_dir() and not path.is_symlink():
                yield from _left(path)
