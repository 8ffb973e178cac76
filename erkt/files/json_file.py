"""JSON: objects, lists of records, and objects sealed with their own sha256."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any, NoReturn

from erkt.errors import ErktError
from erkt.files.replace import write_text

_SEAL = "sha256_of_this"


class Record(dict[str, Any]):
    """An object as a file has it; a key that it lacks is one line naming the file."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        super().__init__(values)
        self._where = where

    def __missing__(self, key: str) -> NoReturn:
        raise ErktError(f"{self._where}: the key '{key}' is missing; make the file again")


def write_json(path: Path, value: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Write ``value`` as JSON: its own order, two spaces, UTF-8, floats in full.

    Raises ErktError for NaN and infinities, which JSON does not know, and as ``write_text`` does.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ErktError(f"{path}: not written: {error}") from error
    write_text(path, text + "\n")


def read_json(path: Path) -> Record:
    """Return the JSON object in ``path``.

    Raises ErktError if the file is missing, unreadable, not UTF-8, not JSON (NaN and infinities are not), or
    holds something else than an object; and later, where a key is asked for that it lacks.
    """
    value = _parse(path)
    if not isinstance(value, dict):
        raise ErktError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return Record(value, str(path))


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """Write ``value`` as JSON with the sha256 of its own content, for facts that others are judged by.

    Raises ErktError as ``write_json`` does.
    """
    write_json(path, {**value, _SEAL: _seal(value)})


def read_sealed(path: Path) -> Record:
    """Return what ``write_sealed`` wrote; ErktError if a bit of it has changed, and as ``read_json``."""
    value = read_json(path)
    if value.pop(_SEAL, None) != _seal(value):
        raise ErktError(f"{path}: damaged: its content is not what was written")
    return value


def read_records(path: Path) -> list[Record]:
    """Return the list of one or more JSON objects in ``path``; ErktError otherwise, as ``read_json``."""
    value = _parse(path)
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
        raise ErktError(f"{path}: expected a JSON list of one or more objects")
    return [Record(row, str(path)) for row in value]


def parse_json(text: str | bytes, where: str) -> object:
    """Return what ``text`` holds; ErktError naming ``where`` if it is no JSON, or nested too deeply."""
    try:
        value: object = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ErktError(f"{where}: not readable as JSON: {error}") from None
    return value


def _seal(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _parse(path: Path) -> object:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ErktError(f"{path}: no such file") from None
    except OSError as error:
        raise ErktError(f"{path}: not readable as JSON: {error}") from error
    return parse_json(data, str(path))


def _refuse_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    """Return a number; JSON has no bound, and Python reads what is too large as infinity."""
    number = float(text)
    if not math.isfinite(number):
        _refuse_number(text)
    return number
