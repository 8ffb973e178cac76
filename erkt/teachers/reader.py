"""Cached logits, opened only if they belong to these teachers, views, images and classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.data.images import mapped
from erkt.ensemble.mixing import mix
from erkt.errors import ErktError
from erkt.files.artifacts import MANIFEST
from erkt.files.digests import sha256_file
from erkt.files.json_file import read_sealed
from erkt.machine.device import on_host, send
from erkt.teachers.manifest import Origin, probe, probe_difference, probe_tolerance
from erkt.views.batches import Batch, ViewBatches

Warn = Callable[[str], None]


@dataclass(frozen=True)
class CachedTeachers:
    """The stored logits of the ensemble's members; maps a batch to the ensemble's logits (B, C), float32.

    On a CPU they are mixed a batch at a time. On a device those of a whole view are mixed at once, at its
    first batch, and lie there until another view is asked for.
    """

    members: Sequence[Mapping[int, NDArray[np.float16]]]
    weights: Sequence[float]
    space: Literal["logits", "probs"]
    _there: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, batch: Batch) -> Tensor:
        """Return the ensemble's logits (B, C) on ``batch``, on the batch's device."""
        device = batch.images.device
        if on_host(device):
            rows = np.stack([views[batch.view][batch.positions] for views in self.members])
            return mix(torch.from_numpy(rows), self.weights, self.space)
        if batch.view not in self._there:
            self._there.clear()
            rows = np.stack([views[batch.view] for views in self.members])
            with torch.inference_mode(mode=False):  # the student's backward pass may need it later
                self._there[batch.view] = mix(send(rows, device), self.weights, self.space)
        return self._there[batch.view].index_select(0, batch.index)


def open_blocks(
    folders: Sequence[Path], data: ViewBatches, origin: Origin, views: Sequence[int], warn: Warn
) -> dict[int, NDArray[np.float16]]:
    """Return one teacher's stored logits (N, C) by view, memory-mapped, checked against ``origin``.

    Raises ErktError for a missing or damaged block, another origin, missing views, or pixels that replay
    otherwise than they were; warns where they replay within rounding, as on another device.
    """
    found: dict[int, NDArray[np.float16]] = {}
    for folder in folders:
        manifest = read_sealed(folder / MANIFEST)
        _check_origin(folder, manifest, origin)
        try:
            logits = _open(folder, manifest, (len(data.subset), len(origin.classes)))
            _check_probe(folder, manifest, data, warn)
            found |= {number: logits[place] for place, number in enumerate(manifest["views"])}
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ErktError(
                f"{folder}: its manifest has another form ({error}); rerun cache_logits"
            ) from None
    missing = [number for number in views if number not in found]
    if missing:
        raise ErktError(f"{folders[0].parent}: view {missing[0]} is not stored; rerun cache_logits")
    return found


def _check_origin(folder: Path, manifest: dict[str, Any], origin: Origin) -> None:
    try:
        differences = origin.differences(Origin(**(manifest.get("origin") or {})))
        missing = {"views", "sha256", "probe", "versions"} - set(manifest)
    except (KeyError, TypeError):
        differences, missing = [], {"origin"}
    if missing:
        raise ErktError(f"{folder}: its manifest lacks {', '.join(sorted(missing))}; rerun cache_logits")
    if differences:
        raise ErktError(f"{folder}: made from other {' and '.join(differences)}; rerun cache_logits")


def _open(folder: Path, manifest: dict[str, Any], shape: tuple[int, int]) -> NDArray[np.float16]:
    path = folder / "logits.npy"
    if not path.is_file() or sha256_file(path) != manifest["sha256"]:
        raise ErktError(f"{path}: missing or damaged (its sha256 is not the manifest's); rerun cache_logits")
    logits, expected = mapped(path), (len(manifest["views"]), *shape)
    if logits.shape != expected or logits.dtype != np.float16:
        raise ErktError(f"{path}: {logits.dtype} of shape {logits.shape}, expected float16 of {expected}")
    return logits


def _check_probe(folder: Path, manifest: dict[str, Any], data: ViewBatches, warn: Warn) -> None:
    stored = manifest["probe"]
    difference = probe_difference(stored, probe(data, stored["view"]))
    if difference > probe_tolerance(data.subset.side):
        raise ErktError(f"{folder}: view {stored['view']} replays with other pixels than it was made with")
    if difference:
        warn(
            f"{folder}: views replay within rounding, not bit for bit (cell means differ by "
            f"{difference:.1e}); they were made with {manifest['versions']}"
        )
