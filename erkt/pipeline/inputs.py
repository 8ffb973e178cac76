"""The digest of a cell's declared inputs, which names its state, its metrics and its run in MLflow.

It is computed without DVC, so that a stage run by hand on another machine has the digest that DVC's run would
have.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.artifacts import MANIFEST
from erkt.files.digests import Sha256, sha256_file
from erkt.files.replace import PART
from erkt.pipeline.cells import Cell, look_up


def inputs_digest(cell: Cell, params: Mapping[str, Any]) -> Sha256:
    """Return the sha256 of the cell, its declared params and the content of its declared dependencies."""
    entry = cell.entry()
    inputs = {
        "stage": cell.stage,
        "cell": dict(cell.coordinates),
        "params": {key: look_up(params, key) for key in entry["params"]},
        "deps": {path: _digest(Path(path)) for path in entry["deps"]},
    }
    return Sha256(hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest())


def _digest(path: Path) -> Sha256:
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
    return Sha256(hashlib.sha256(json.dumps(parts).encode()).hexdigest())
