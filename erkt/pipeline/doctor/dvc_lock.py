"""Who holds DVC's lock, and whether a dvc that was killed left it behind."""

import json
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from erkt.pipeline.doctor.findings import Finding, note, ok, problem
from erkt.tracking.mlflow_store import told

_TRIES, _PAUSE_SECONDS = 3, 0.1


@dataclass(frozen=True)
class Holder:
    """A process that the lock names."""

    pid: int
    command: str
    alive: bool


@dataclass(frozen=True)
class Lock:
    """DVC's file ``rwlock``: the processes that work here, or what is wrong with the file.

    ``linked`` is the file ``lock`` of a repository with ``core.hardlink_lock``, if it is there. Without that
    setting the kernel frees the lock when its process ends, and a file that is there says nothing.
    """

    path: Path
    holders: tuple[Holder, ...]
    damage: str
    linked: Path | None


def look(folder: Path, hardlink: bool) -> Lock:
    """Return the lock in ``folder`` (``.dvc/tmp``). DVC writes it in place, so half a file is read again."""
    path, linked = folder / "rwlock", folder / "lock"
    kept = linked if hardlink and linked.exists() else None
    damage = ""
    for _ in range(_TRIES):
        try:
            return Lock(path, _holders(path.read_text(encoding="utf-8")), "", kept)
        except FileNotFoundError:
            return Lock(path, (), "", kept)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            damage = told(error)
            time.sleep(_PAUSE_SECONDS)
    return Lock(path, (), damage, kept)


def findings(lock: Lock) -> Iterator[Finding]:
    """Yield who works here, and what is left of those who do no more."""
    if lock.damage:
        yield problem(
            f"DVC: its lock {lock.path} is damaged ({lock.damage}), and dvc repro refuses", _fix(lock.path)
        )
    working = [holder for holder in lock.holders if holder.alive]
    gone = [holder for holder in lock.holders if not holder.alive]
    if working:
        yield ok(f"DVC: at work here: {_named(working)}")
    if gone:
        yield note(f"DVC: its lock {lock.path} names what has ended: {_named(gone)}", _fix(lock.path))
    if lock.linked is not None and not working:
        yield note(f"DVC: the lock {lock.linked} is held, by nobody who works here", _fix(lock.linked))


def _holders(text: str) -> tuple[Holder, ...]:
    import psutil  # type: ignore[import-untyped]  # comes with DVC, which asks it the same

    held = json.loads(text)
    entries = [*held.get("write", {}).values()]
    entries += [entry for readers in held.get("read", {}).values() for entry in readers]
    named = {(int(entry["pid"]), str(entry["cmd"])) for entry in entries}
    return tuple(Holder(pid, command, psutil.pid_exists(pid)) for pid, command in sorted(named))


def _named(holders: Sequence[Holder]) -> str:
    return ", ".join(f"{holder.command} (process {holder.pid})" for holder in holders)


def _fix(path: Path) -> str:
    return f"rm {shlex.quote(str(path))}, once no dvc runs here"
