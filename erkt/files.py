"""Files that are only ever replaced whole, and the few formats the project writes.

A reader never meets half a file, and a run that dies leaves what was there before. Writing in place would
also reach through a hard link into DVC's cache, silently (a temporary name and a rename cannot).
"""

import glob
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from erkt.errors import ErktError

_SEAL = "sha256_of_this"
PART = ".part-"  # begins the name of what is being written
_PART_BYTES = 4


@contextmanager
def replace_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; what the block writes there becomes ``path``.

    The folder is made if need be. The temporary name ends like ``path``, for writers that look at a suffix.
    When the block raises, the temporary file is removed and ``path`` stays as it was. Raises ErktError for
    what the file system refuses (no space, no permission, a folder at ``path``).
    """
    temporary = _beside(path)
    try:
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


def write_json(path: Path, value: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Write ``value`` as JSON: its own order, two spaces, UTF-8, floats in full.

    Raises ErktError for NaN and infinities, which JSON does not know, and as ``write_text`` does.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ErktError(f"{path}: not written: {error}") from error
    write_text(path, text + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``.

    Raises ErktError if the file is missing, unreadable, not UTF-8, not JSON (NaN and infinities are not), or
    holds something else than an object.
    """
    value = _parse(path)
    if not isinstance(value, dict):
        raise ErktError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """Write ``value`` as JSON with the sha256 of its own content, for facts that others are judged by.

    Raises ErktError as ``write_json`` does.
    """
    write_json(path, {**value, _SEAL: _seal(value)})


def read_sealed(path: Path) -> dict[str, Any]:
    """Return what ``write_sealed`` wrote; ErktError if a single bit of it has changed, and as ``read_json``."""
    value = read_json(path)
    if value.pop(_SEAL, None) != _seal(value):
        raise ErktError(f"{path}: damaged: its content is not what was written")
    return value


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of the list in ``path``, at least one; ErktError otherwise, as ``read_json``."""
    value = _parse(path)
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
        raise ErktError(f"{path}: expected a JSON list of one or more objects")
    return value


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file as 64 lower-case hexadecimal digits; ErktError if it is not readable."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ErktError(f"{path}: not readable: {error.strerror}") from error


def _seal(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _parse(path: Path) -> object:
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise ErktError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise ErktError(f"{path}: not readable as JSON: {error}") from error
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _beside(path: Path) -> Path:
    return path.with_name(f"{PART}{secrets.token_hex(_PART_BYTES)}-{path.name}")


def _flush_to_disk(path: Path) -> None:
    if not os.access(path, os.W_OK):
        return  # a link to a file that DVC protects, which was on disk before
    with path.open("r+b") as file:
        os.fsync(file.fileno())
