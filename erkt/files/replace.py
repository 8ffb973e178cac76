"""Files and folders that are only ever replaced whole.

A reader never meets half a file, and a run that dies leaves what was there before. Writing in place would
also reach through a hard link into DVC's cache, silently (a temporary name and a rename cannot).
"""

import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from erkt.errors import ErktError

PART = ".part-"  # begins the name of what is being written
_PART_BYTES = 4


@contextmanager
def replace_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; what the block writes there becomes ``path``.

    The folder is made if need be. The temporary name ends like ``path``, for writers that look at a suffix.
    When the block raises, the temporary file is removed and ``path`` stays as it was. Raises ErktError for
    what the file system refuses (no space, no permission, a folder at ``path``), and for a pipe or a device.
    """
    temporary = _beside(path)
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ErktError(f"{path}: not written: a pipe or a device, which cannot be replaced")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise ErktError(f"{path}: not written: {error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield a new, empty folder beside ``path``; with what the block writes in it, it becomes ``path``.

    A folder that was at ``path`` is moved aside first and deleted last: there is a moment without a folder,
    but never one with a partial or mixed folder. Raises ErktError for what the file system refuses.
    """
    temporary, former = _beside(path), _beside(path)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _flush_to_disk(file)
        if path.is_dir():
            os.rename(path, former)
        os.rename(temporary, path)
    except OSError as error:
        raise ErktError(f"{path}: not written: {error}") from error
    finally:
        # Also when an interrupt falls between the two renames.
        if former.exists() and not path.exists():
            os.rename(former, path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def make_folder(path: Path) -> None:
    """Make ``path`` and what is above it, if need be. Raises ErktError for what the file system refuses."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ErktError(f"{path}: not made: {error}") from error


def remove(path: Path) -> None:
    """Delete a file, a folder with all in it, or a link, whatever it leads to."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def remove_leftovers(path: Path) -> None:
    """Delete what replacements of ``path``, or of what is below it, left because their process was killed.

    Only for whoever holds the lock that writers of ``path`` take.
    """
    halves = f"{PART}{'[0-9a-f]' * 2 * _PART_BYTES}-"
    for leftover in [*path.parent.glob(halves + glob.escape(path.name)), *path.rglob(f"{halves}*")]:
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            with suppress(OSError):
                leftover.unlink()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with the line ends it has. Raises ErktError as ``replace_whole`` does.

    A lone surrogate (how Python stands for a byte of a file name that is no text) is refused as well.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise ErktError(f"{path}: not written: {error}") from error
    with replace_whole(path) as temporary:
        temporary.write_bytes(data)


def _beside(path: Path) -> Path:
    return path.with_name(f"{PART}{secrets.token_hex(_PART_BYTES)}-{path.name}")


def _flush_to_disk(path: Path) -> None:
    if not os.access(path, os.W_OK):
        return  # a link to a file that DVC protects, which was on disk before
    with path.open("r+b") as file:
        os.fsync(file.fileno())
