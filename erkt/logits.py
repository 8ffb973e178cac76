"""Logits of one network on one list of images, kept with what they belong to. Needs no torch."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from erkt.errors import ErktError
from erkt.files import replace_whole


def save(path: Path, logits: NDArray[np.float32], network: str, images: str, classes: Sequence[str]) -> None:
    """Write ``logits`` (N, C) to ``path``, whole or not at all.

    ``network`` and ``images`` are the sha256 of the weights file and of the list; ``classes`` names the
    columns.
    """
    about = {"network": network, "images": images, "classes": list(classes)}
    with replace_whole(path) as temporary:
        # One entry: safetensors writes several in an order that differs from run to run.
        metadata = {"about": json.dumps(about, ensure_ascii=False)}
        try:
            save_file({"logits": np.ascontiguousarray(logits)}, temporary, metadata=metadata)
        except SafetensorError as error:
            raise ErktError(f"{path}: not written: {error}") from None


def load(path: Path, network: str, images: str, classes: Sequence[str]) -> NDArray[np.float32]:
    """Return the logits (N, C) stored at ``path``.

    Raises ErktError if the file is missing or damaged, or belongs to another network, list or set of classes.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            logits: NDArray[np.float32] = file.get_tensor("logits")
    except (OSError, SafetensorError) as error:
        raise ErktError(
            f"{path}: cannot be read as logits ({error}); rerun the stage that makes it"
        ) from None
    if about.get("network") != network:
        raise ErktError(f"{path}: these logits belong to another teacher; rerun the stage that makes them")
    if about.get("images") != images:
        raise ErktError(
            f"{path}: these logits belong to another list of images; rerun the stage that makes it"
        )
    if about["classes"] != list(classes):
        raise ErktError(f"{path}: these logits belong to other classes; rerun the stage that makes it")
    return logits
