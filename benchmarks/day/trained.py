"""Short trainings on made images and made logits, by which the device is compared with the CPU."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks import memory, paper
from benchmarks.day.sizes import Sizes
from erkt.data.images import Subset
from erkt.inflight.checkpoints import Checkpoint, Checkpoints, FolderCheckpoints
from erkt.inflight.stopping import Stop
from erkt.machine.device import choose
from erkt.networks import models
from erkt.networks.models import Classifier
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.seeds import stream
from erkt.teachers.reader import CachedTeachers
from erkt.teachers.teach import Teach
from erkt.training.engine import fit
from erkt.views.batches import ViewBatches

STUDENT = "student.safetensors"


def small(sizes: Sizes) -> None:
    """Put the small networks of a rehearsal in the place of the paper's, in this process."""
    if sizes.student and sizes.teacher:
        paper.shrink(sizes.student, sizes.teacher)


def chosen(device: str) -> torch.device:
    """Return the device as stages choose it, with TF32 off."""
    return choose(build(Runtime, paper.PARAMS["runtime"] | {"device": device}, "runtime"))


def still(subset: Subset, device: torch.device) -> ViewBatches:
    """Return one view of ``subset`` by Table 1 without its rotation, whose ties may fall either way."""
    settings = paper.views()
    settings = replace(settings, rotation=replace(settings.rotation, p=0.0))
    return ViewBatches(subset, settings, seed=0, views=1, batch_size=paper.BATCH, device=device)


def short(
    network: Classifier,
    data: ViewBatches,
    checkpoints: Checkpoints,
    precision: str = "fp32",
    recompute: bool = False,
    teach: Teach | None = None,
    graphs: bool = False,
) -> float:
    """Train ``network`` for an epoch of ``data`` and return its mean loss; made logits teach unless given."""
    made = (6 * stream(0, "teacher").doubles(len(data.subset), len(paper.CLASSES))).astype(np.float16)
    epochs = fit(
        network,
        data,
        paper.objective(),
        recipe=replace(paper.recipe(), precision=precision),
        seed=0,
        teach=teach or CachedTeachers([{0: made}], [1.0], "logits"),
        checkpoints=checkpoints,
        recompute=recompute,
        graphs=graphs,
    )
    return list(epochs)[-1]["loss"]


class _ThenKilled(FolderCheckpoints):
    """Keeps a checkpoint after each step, and has the kernel kill this process half-way."""

    def __init__(self, folder: Path, steps: int) -> None:
        super().__init__(folder, 0.0, Stop(), print)
        self._left = steps

    def after_step(self, make: Callable[[], Checkpoint]) -> None:
        super().after_step(make)
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


def train_kept(folder: Path, killed: bool, device: str, sizes: Sizes) -> None:
    """Train with checkpoints in ``folder`` and leave the student there, or be ``killed`` before the end."""
    small(sizes)
    network = paper.network(paper.STUDENT, sizes.side, torch.device("cpu"))
    data = still(paper.images(sizes.steps * paper.BATCH, sizes.side), chosen(device))
    kept = _ThenKilled(folder, sizes.steps // 2) if killed else FolderCheckpoints(folder, 0.0, Stop(), print)
    short(network, data, kept)
    models.save(network, folder / STUDENT)


def write_peak(path: Path, work: memory.Work, sizes: Sizes) -> None:
    """Write to ``path`` how many bytes ``work`` takes."""
    small(sizes)
    path.write_text(str(memory.peak(work)), encoding="ascii")
