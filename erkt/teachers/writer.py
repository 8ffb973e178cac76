"""One teacher's logits on one block of views, stored in float16 with a manifest."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from erkt.errors import ErktError
from erkt.files.artifacts import MANIFEST
from erkt.files.digests import Sha256, sha256_file
from erkt.files.json_file import write_sealed
from erkt.files.replace import make_folder, replace_whole
from erkt.inflight.checkpoints import NO_CHECKPOINTS, Checkpoint, Checkpoints
from erkt.machine.device import on_host
from erkt.networks.models import Card, put_on
from erkt.networks.precision import running
from erkt.params.recipe import Precision
from erkt.teachers.manifest import Origin, probe
from erkt.views.batches import Batch, ViewBatches
from erkt.views.view import View


class Teacher(Protocol):
    """A network, whatever runs it: float images (B, 3, S, S) in [0, 1] to logits (B, C)."""

    card: Card

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits of ``images``."""


def write_block(
    folder: Path,
    teacher: Teacher,
    data: ViewBatches,
    *,
    views: Sequence[int],
    origin: Origin,
    on_view: Callable[[int, int], None] = lambda done, total: None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
) -> Sha256:
    """Write ``logits.npy`` (views, N, C) and then ``manifest.json`` to ``folder``; return the logits' sha256.

    The batch in which the teacher runs is ``data.batch_size``; it changes logits by rounding only. A block is
    kept in memory until it is whole: 60 MB for 20 views of 31,500 images and 50 classes. ``checkpoints`` hold
    the part that is done, to the batch. The teacher runs in the precision of ``origin``. Raises ErktError as
    ``block_logits`` does, and where nothing can be written.
    """
    make_folder(folder)  # what forbids it is known before the work
    block = block_logits(teacher, data, views, on_view, checkpoints, origin.precision)
    with replace_whole(folder / "logits.npy") as temporary:
        np.save(temporary, block, allow_pickle=False)
    digest = sha256_file(folder / "logits.npy")
    manifest = {
        "origin": asdict(origin),
        "views": list(views),
        "shape": list(block.shape),
        "sha256": digest,
        "probe": probe(data, views[0]),
        "versions": {
            "torch": torch.__version__,
            "device": data.device.type,
            "caching": "eager" if isinstance(teacher, nn.Module) else "onnx",
        },
    }
    write_sealed(folder / MANIFEST, manifest)
    return digest


def block_logits(
    teacher: Teacher,
    data: ViewBatches,
    views: Sequence[int],
    on_view: Callable[[int, int], None] = lambda done, total: None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    precision: Precision = "fp32",
) -> NDArray[np.float16]:
    """Return the teacher's logits (views, N, C).

    A view's logits stay on the device until it is done or a checkpoint is due. Raises ErktError if a logit
    does not fit float16, or for bf16 and a teacher that torch does not run.
    """
    if isinstance(teacher, nn.Module):
        put_on(teacher, data.device).eval()
    elif precision != "fp32":
        raise ErktError("cache.precision: bf16 takes torch's networks; set runtime.caching: eager, or fp32")
    block = np.zeros((len(views), len(data.subset), len(teacher.card.classes)), np.float16)
    done_views, done_samples = 0, 0
    kept = checkpoints.restore(data.device)
    if kept is not None:
        done_views, done_samples = kept.state["views"], kept.state["samples"]
        block[: len(kept.tensors["logits"])] = kept.tensors["logits"].numpy()

    for place in range(done_views, len(views)):
        view, order = data.view(views[place]), data.in_order(views[place])
        size = len(order[0])  # samples come in one order, but a run that goes on may have other batches
        first = done_samples // size
        waiting: list[tuple[NDArray[np.int64], Tensor]] = []
        for number, batch in enumerate(data.stream(view, order[first:]), start=first):
            waiting.append((batch.positions, _outputs(teacher, batch, precision)))
            if on_host(data.device):
                _take(waiting, block[place], teacher, view)
            checkpoints.after_step(
                partial(_checkpoint, waiting, block[: place + 1], teacher, view, (number + 1) * size)
            )
        _take(waiting, block[place], teacher, view)
        done_samples = 0
        on_view(place + 1, len(views))
    return block


def batch_logits(
    teacher: Teacher,
    data: ViewBatches,
    view: View,
    positions: NDArray[np.int64],
    precision: Precision = "fp32",
) -> NDArray[np.float16]:
    """Return the logits (B, C) of a teacher in evaluation mode at ``positions``, whole pairs of ``view``.

    Raises ErktError if one does not fit float16.
    """
    rows = np.empty((len(positions), len(teacher.card.classes)), np.float16)
    outputs = _outputs(teacher, data.batch(view, positions), precision)
    _take([(np.arange(len(rows)), outputs)], rows, teacher, view)
    return rows


@torch.inference_mode()
def _outputs(teacher: Teacher, batch: Batch, precision: Precision) -> Tensor:
    """Return the teacher's logits (B, C) in float16, on its device."""
    with running(precision, batch.images.device):
        return teacher(batch.images.contiguous(memory_format=torch.channels_last)).half()


def _take(
    waiting: list[tuple[NDArray[np.int64], Tensor]], rows: NDArray[np.float16], teacher: Teacher, view: View
) -> None:
    """Put outputs that are ``waiting`` into their ``rows``, and forget them; the host waits for the device.

    Raises ErktError if a logit does not fit float16.
    """
    if not waiting:
        return
    outputs = torch.cat([output for _, output in waiting]).cpu().numpy()
    if not np.isfinite(outputs).all():
        raise ErktError(
            f"a logit of {teacher.card.arch} on view {view.number} does not fit float16; it has diverged"
        )
    rows[np.concatenate([positions for positions, _ in waiting])] = outputs
    waiting.clear()


def _checkpoint(
    waiting: list[tuple[NDArray[np.int64], Tensor]],
    block: NDArray[np.float16],
    teacher: Teacher,
    view: View,
    samples: int,
) -> Checkpoint:
    """Return the views of ``block``, of whose last one the first ``samples`` in order are done."""
    _take(waiting, block[-1], teacher, view)
    return Checkpoint({"logits": torch.from_numpy(block)}, {"views": len(block) - 1, "samples": samples})
