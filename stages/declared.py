"""A stage's declared inputs, read from dvc.yaml, and the key that names them.

The key is the sha256 of a stage's params and of the content of its dependencies. It is computed without DVC,
so that a stage run by hand on another machine writes the key that DVC's run would have written.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from erkt import schema
from erkt.artifacts import MANIFEST
from erkt.errors import ErktError
from erkt.files import PART, sha256_file
from stages import paths

_SECTIONS = ("deps", "params", "outs", "plots", "metrics")


def stage_entry(stage: str, cell: Mapping[str, str]) -> dict[str, Any]:
    """Return ``deps``, ``params``, ``outs``, ``plots``, ``metrics`` of a stage's cell of dvc.yaml, names filled in."""
    entry = pipeline()[stage]

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            for name, coordinate in cell.items():
                value = value.replace(f"${{item.{name}}}", coordinate)
            return value
        if isinstance(value, dict):
            return {fill(key): fill(item) for key, item in value.items()}
        return [fill(item) for item in value] if isinstance(value, list) else value

    return {key: fill(entry.get(key, [])) for key in _SECTIONS}


def pipeline() -> dict[str, Any]:
    """Return dvc.yaml's stages by name; ErktError if it is not here or holds none."""
    if not paths.PIPELINE.is_file():
        raise ErktError(f"{paths.PIPELINE}: not here; run this in the root of the repository")
    try:
        return dict(_parsed(paths.PIPELINE.read_text(encoding="utf-8"))["stages"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ErktError(
            f"{paths.PIPELINE}: not readable as a pipeline: {' '.join(str(error).split())}"
        ) from None


@lru_cache(maxsize=1)
def _parsed(text: str) -> dict[str, Any]:
    """Return dvc.yaml's content; it takes a tenth of a second, and a protocol may have hundreds of cells."""
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def outputs(stage: str, cell: Mapping[str, str]) -> list[Path]:
    """Return everything that the cell declares to make."""
    entry = stage_entry(stage, cell)
    listed = [out for section in _SECTIONS[2:] for out in entry[section]]
    return [Path(next(iter(out)) if isinstance(out, dict) else out) for out in listed]


def look_up(params: Mapping[str, Any], key: str) -> Any:
    """Return the value at the dotted ``key`` of params.yaml; raise ErktError if there is none."""
    return schema.look_up(params, key, str(paths.PARAMS))


def stage_key(stage: str, cell: Mapping[str, str], params: Mapping[str, Any]) -> str:
    """Return the sha256 of the cell, its declared params and the content of its declared dependencies."""
    entry = stage_entry(stage, cell)
    inputs = {
        "stage": stage,
        "cell": dict(cell),
        "params": {key: look_up(params, key) for key in entry["params"]},
        "deps": {path: _digest(Path(path)) for path in entry["deps"]},
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    """Return the sha256 of a file, or of a folder's files by name.

    A folder with a ``manifest.json`` stands for itself by that manifest, which holds the digests of what lies
    beside it: arrays of many gigabytes are not read again before each stage.
    """
    if path.is_file():
        return sha256_file(path)
    if not path.is_dir():
        raise ErktError(f"{path}: missing; run the stage that makes it, or dvc pull")
    if (path / MANIFEST).is_file():
        return sha256_file(path / MANIFEST)
    parts = sorted(
        (child.name, _digest(child))
        for child in path.iterdir()
        if child.name != "__pycache__" and not child.name.startswith(PART)
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
