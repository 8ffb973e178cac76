"""What a stage has in the air: its checkpoints while it runs, its result until somebody else holds it.

One folder holds all of it, away from DVC's outputs, which DVC deletes before it runs a stage. A state is
named by the stage's cell and the digest of its inputs, so a change of params starts a state of its own and a
change back finds the old one. One process at a time works on a state.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from erkt.errors import ErktError
from erkt.files.digests import Md5, md5_file
from erkt.files.json_file import read_sealed, write_sealed
from erkt.files.replace import remove_leftovers, replace_whole

VARIABLE = "ERKT_INFLIGHT"
FINISHED = "finished.json"
_RESULT = "result"
_LOCKS = "locks"
_POLL_SECONDS = 0.2


def store(root: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder of all states: ``ERKT_INFLIGHT``, or ``.inflight`` in ``root``."""
    return Path(environment.get(VARIABLE) or root / ".inflight").expanduser().resolve()


@contextmanager
def alone(lock: Path, waiting: Callable[[], None], leave: Callable[[], bool]) -> Iterator[None]:
    """Let one process at a time into the block; the lock ends with its process, however that ends.

    ``waiting`` is called once if another process is inside, and then ``leave`` is asked again and again;
    raises KeyboardInterrupt once it says so. Raises ErktError if the lock's file cannot be made.
    """
    held = FileLock(lock)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with suppress(Timeout):
            held.acquire(timeout=0)
        if not held.is_locked:
            waiting()
        while not held.is_locked:
            if leave():
                raise KeyboardInterrupt
            with suppress(Timeout):
                held.acquire(timeout=_POLL_SECONDS, poll_interval=_POLL_SECONDS)
    except OSError as error:
        raise ErktError(f"{lock}: no lock can be made there: {error}") from error
    try:
        yield
    finally:
        held.release()


def only_one(lock: Path, taken: str) -> AbstractContextManager[None]:
    """Let one process into the block, as ``alone`` does; raises ErktError saying ``taken`` to any other."""

    def refuse() -> None:
        raise ErktError(taken)

    return alone(lock, refuse, lambda: False)


@dataclass(frozen=True)
class Result:
    """A finished stage's result: its line, its outputs, and the md5 of each of their files by path."""

    line: str
    outs: list[str]
    files: dict[str, Md5]


def read_result(folder: Path) -> Result:
    """Return the result that a finished state in ``folder`` holds; ErktError if it is damaged or none."""
    try:
        return Result(**read_sealed(folder / FINISHED))
    except TypeError as error:
        raise ErktError(f"{folder / FINISHED}: not a result ({error})") from None


@dataclass(frozen=True)
class State:
    """The state of one cell of a stage with one set of inputs, as a folder in ``store``."""

    store: Path
    name: str
    inputs: str

    @property
    def folder(self) -> Path:
        """Where checkpoints go."""
        return self.store / f"{self.name}-{self.inputs[:32]}"

    @property
    def lock(self) -> Path:
        """The file to hold while working on this state; it is not in the folder, which may be deleted."""
        return _lock_of(self.folder)

    def finish(self, root: Path, outs: Sequence[Path], line: str) -> None:
        """Keep what lies at ``outs`` (files and folders relative to ``root``); drop the checkpoints.

        In this order: the files, the marker, and only then are the checkpoints dropped, so that no moment is
        without the one or the other. Raises ErktError for an output that is missing (a second ``dvc repro``
        removes outputs before its stage waits for this one), and for what the file system refuses.
        """
        files, kept = _files(root, outs), self.folder / _RESULT
        result = Result(line, [out.as_posix() for out in outs], {})
        try:
            if kept.exists():  # of a run that was killed before it set the marker
                shutil.rmtree(kept)
            for file in files:
                path = file.relative_to(root)
                with replace_whole(kept / path) as temporary:
                    _link(file, temporary)
                result.files[path.as_posix()] = md5_file(file)
            if _files(root, outs) != files:
                raise ErktError("outputs were removed while they were kept; run dvc repro again")
            write_sealed(self.folder / FINISHED, vars(result))
            for path in self.folder.iterdir():
                if path.name not in (FINISHED, _RESULT):
                    path.unlink()
        except OSError as error:
            raise ErktError(f"{self.folder}: the result is not kept: {error}") from error

    def take(self, root: Path, warn: Callable[[str], None]) -> Result | None:
        """Put the kept result back in place below ``root``; return it, or None if there is none.

        One that is damaged is dropped with a warning, and what killed processes left half-written without.
        Raises ErktError for what the file system refuses; the kept result stays.
        """
        remove_leftovers(self.folder)
        if not (self.folder / FINISHED).exists():
            return None
        try:
            result = read_result(self.folder)
            for path, md5 in result.files.items():
                if md5_file(self.folder / _RESULT / path) != md5:
                    raise ErktError(f"{path} is not what was kept")
        except ErktError as error:
            warn(f"{self.folder} is damaged ({error}); starting from the beginning")
            self.drop()
            return None
        try:
            for out in result.outs:
                if (root / out).is_dir():
                    shutil.rmtree(root / out)
        except OSError as error:
            raise ErktError(f"{root}: the kept result cannot be put there: {error}") from error
        for path in result.files:
            with replace_whole(root / path) as temporary:
                _link(self.folder / _RESULT / path, temporary)
        return result

    def drop(self) -> None:
        """Delete the state."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Found:
    """A state as it lies in the store: its bytes on disk, and seconds since it was last written."""

    folder: Path
    stage: str
    finished: bool
    bytes: int
    idle_seconds: float


def survey(store: Path) -> list[Found]:
    """Return all states in ``store``, by name."""
    found = []
    for folder in sorted(store.iterdir()) if store.is_dir() else ():
        if not folder.is_dir() or folder.name == _LOCKS or folder.name.startswith("."):
            continue
        sizes, times = [0], [0.0]
        for file in folder.rglob("*"):
            with suppress(OSError):  # another process may be deleting it
                facts = file.stat()
                sizes.append(facts.st_size if file.is_file() else 0)
                times.append(facts.st_ctime)
        finished = (folder / FINISHED).exists()
        stage = folder.name.rpartition("-")[0]
        found.append(Found(folder, stage, finished, sum(sizes), max(0.0, time.time() - max(times))))
    return found


def collect(store: Path, held: Callable[[str, Result], bool]) -> None:
    """Delete the finished states that ``held(stage, result)`` says are held elsewhere, unless in use."""
    for state in survey(store):
        if not state.finished:
            continue
        with suppress(ErktError, Timeout, OSError):
            result = read_result(state.folder)
            if held(state.stage, result):
                with FileLock(_lock_of(state.folder), timeout=0):
                    shutil.rmtree(state.folder, ignore_errors=True)


def _lock_of(folder: Path) -> Path:
    return folder.parent / _LOCKS / f"{folder.name}.lock"


def _files(root: Path, outs: Sequence[Path]) -> list[Path]:
    """Return the files at ``outs``, in order; ErktError if an output has none."""
    files = []
    for out in outs:
        path = root / out
        found = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
        if not found or not found[0].is_file():
            raise ErktError(f"{out}: gone before it was kept; run dvc repro again")
        files += found
    return files


def _link(source: Path, target: Path) -> None:
    """Make ``target`` the same file as ``source``, or a copy where links are impossible.

    Files are only ever replaced whole, so a link costs no space and nothing writes through it.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
