"""JSON: objects, lists of records, and objects sealed with their own sha256."""

import hashlib
import json
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.replace import write_text

_SEAL = "sha256_of_this"


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
    """Return what ``write_sealed`` wrote; ErktError if a bit of it has changed, and as ``read_json``."""
    value = read_json(path)
    if value.pop(_SEAL, None) != _seal(value):
        raise ErktError(f"{path}: damaged: its content is not what was written")
    return value


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the list of one or more JSON objects in ``path``; ErktError otherwise, as ``read_json``."""
    value = _parse(path)
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) for row in value):
        raise ErktError(f"{path}: expected a JSON list of one or more objects")
    return value


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
