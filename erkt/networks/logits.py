"""Logits of one network on one list of images, kept with what they belong to. Needs no torch."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from erkt.data.images import Part
from erkt.errors import ErktError
from erkt.files.artifacts import MANIFEST
from erkt.files.digests import Sha256
from erkt.files.json_file import parse_json, read_json
from erkt.files.replace import replace_whole

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]


def save(path: Path, logits: NDArray[np.float32], *, network: Sha256, part: Part) -> None:
    """Write ``logits`` (N, C) of the images of ``part`` to ``path``, whole or not at all.

    ``network`` is the sha256 of the weights file that gave them.
    """
    with replace_whole(path) as temporary:
        # One entry: safetensors writes several in an order that differs from run to run.
        metadata = {"about": json.dumps(_about(network, part), ensure_ascii=False)}
        try:
            save_file({"logits": np.ascontiguousarray(logits)}, temporary, metadata=metadata)
        except SafetensorError as error:
            raise ErktError(f"{path}: not written: {error}") from None


def load_teachers(
    folder: Path, networks: Path, names: Sequence[str], part: Part
) -> dict[str, NDArray[np.float32]]:
    """Return the logits (N, C) of the images of ``part`` by name, one file of ``folder`` a teacher.

    ``networks`` holds a folder a teacher. Raises ErktError as ``load`` does.
    """
    return {
        name: load(
            folder / f"{name}.safetensors",
            network=Sha256(read_json(networks / name / MANIFEST)["sha256"]),
            part=part,
        )
        for name in names
    }


def load(path: Path, *, network: Sha256, part: Part) -> NDArray[np.float32]:
    """Return the logits (N, C) of the images of ``part`` by the weights ``network``, stored at ``path``.

    Raises ErktError if the file is missing or damaged, or belongs to another network, list or set of classes.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            about = parse_json((file.metadata() or {}).get("about", "{}"), str(path))
            logits: NDArray[np.float32] = file.get_tensor("logits")
    except (OSError, SafetensorError, TypeError, KeyError) as error:
        raise ErktError(
            f"{path}: cannot be read as logits ({error}); rerun the stage that makes it"
        ) from None
    known = about if isinstance(about, dict) else {}
    for name, value in _about(network, part).items():
        if known.get(name) != value:
            raise ErktError(f"{path}: not the logits of this run's {name}; rerun the stage that makes it")
    expected = (len(part), len(part.classes))
    if logits.shape != expected or logits.dtype != np.float32:
        raise ErktError(f"{path}: {logits.dtype} of shape {logits.shape}, expected float32 of {expected}")
    return logits


def check_logits(logits: Floats, labels: Integers, what: str) -> None:
    """Raise ErktError unless logits (N, C) are finite and labels (N,) lie in [0, C), with N at least 1.

    ``what`` opens the message: whose logits they are.
    """
    if logits.ndim != 2 or labels.ndim != 1 or len(logits) != len(labels) or not len(labels):
        raise ErktError(f"{what}: logits {logits.shape} and labels {labels.shape}, expected (N, C) and (N,)")
    if not np.isfinite(logits).all():
        raise ErktError(f"{what}: the logits hold NaN or infinity")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ErktError(f"{what}: a label lies outside the {logits.shape[1]} classes of the logits")


def _about(network: Sha256, part: Part) -> dict[str, Any]:
    """Return what a file of logits says of itself; where it says otherwise, the error names the key."""
    return {"network": network, "images": part.list_sha256, "classes": list(part.classes)}
