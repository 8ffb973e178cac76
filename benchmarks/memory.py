"""Peak memory of one kind of work on 31,500 images, in a process of its own.

    python -m benchmarks.memory FOLDER {train,cache,distill,evaluate} ARCH [--recompute] [--precision bf16]
    [--batch 30]

FOLDER holds images.npy, uint8 (N, 3, S, S). Prints bytes: the most that was in use at once beyond files
mapped into memory, whose pages the system can drop, looked at every 5 ms; on a GPU, what torch reserved
there. A few steps are enough: after them nothing grows. A stage holds MLflow as well, and so does this
process.
"""

import argparse
import importlib
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks import paper
from erkt.data.images import Subset
from erkt.inflight.checkpoints import FolderCheckpoints
from erkt.inflight.stopping import Stop, Stopped
from erkt.losses.supervised import Supervised
from erkt.machine.device import choose
from erkt.networks.inference import predict
from erkt.networks.recompute import forget_activations
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.teachers.reader import CachedTeachers
from erkt.teachers.writer import block_logits
from erkt.training.engine import fit
from erkt.training.ranks import ALONE, Ranks
from erkt.views.batches import ViewBatches

KINDS = ("train", "cache", "distill", "evaluate")
LIMITS = {"cpu": 2e9, "cuda": 8e9}
"""Bytes that a process should take at most."""
_STEPS, _TRAIN_SHARE, _TESTED, _SECONDS = 4, 5, 600, 0.005


@dataclass(frozen=True)
class Work:
    """What the command line says: ``kind`` is one of ``KINDS``, ``arch`` a network of timm's."""

    folder: Path
    kind: str
    arch: str
    recompute: bool = False
    precision: str = "fp32"
    batch: int = paper.PARAMS["runtime"]["inference_batch"]


def main() -> None:
    """Do the work and print its peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("arch")
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--batch", type=int, default=Work.batch)
    work = Work(**vars(parser.parse_args()))
    importlib.import_module("mlflow")
    print(peak(work))


def peak(work: Work, ranks: Ranks = ALONE) -> int:
    """Return the most bytes that this process takes while it does a few steps of ``work``.

    ``ranks`` are the processes that train together. The process should be a fresh one: what it took before
    counts too.
    """
    done, most = threading.Event(), [0]
    watch = threading.Thread(target=_watch, args=(done, most))
    watch.start()
    try:
        with tempfile.TemporaryDirectory() as scratch, suppress(Stopped):
            _do(work, Path(scratch), ranks)
    finally:
        done.set()
        watch.join()
    return torch.cuda.max_memory_reserved() if torch.cuda.is_available() else most[0]


def anonymous() -> int:
    """Return the bytes that this process uses beyond mapped files (Linux)."""
    with open("/proc/self/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return sum(int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "VmSwap"))


class _AFewSteps(FolderCheckpoints):
    """Keeps a checkpoint after each step, and ends the work after some, in all processes after the same."""

    def __init__(self, folder: Path) -> None:
        self.stop, self.left = Stop(), _STEPS
        super().__init__(folder, 0.0, self.stop, print)

    def after_step(self, make) -> None:  # noqa: ANN001
        super().after_step(make)
        self.left -= 1
        self.stop.requested = self.left == 1


def _do(work: Work, scratch: Path, ranks: Ranks) -> None:
    runtime = paper.PARAMS["runtime"] | {"recompute": work.recompute}
    images, device = _images(work.folder), choose(build(Runtime, runtime, "runtime"))
    train, test = (
        _some(images, 0, len(images) // _TRAIN_SHARE),
        _some(images, len(images) - _TESTED, len(images)),
    )
    network, checkpoints = paper.network(work.arch, images.side, device), _AFewSteps(scratch)
    if work.recompute:
        forget_activations(network)
    if work.kind == "evaluate":
        predict(network, test, work.batch, device)
    elif work.kind == "cache":
        data = ViewBatches(train, paper.views(), 0, 20, work.batch, device)
        block_logits(network, data, range(20), checkpoints=checkpoints)
    else:
        distills = work.kind == "distill"
        data = ViewBatches(train, paper.views(), 0, 1, paper.BATCH, device)
        block = np.zeros((len(train), len(paper.CLASSES)), np.float16)
        teach = CachedTeachers([{0: block}] * 3, [0.3, 0.3, 0.4], "logits") if distills else None
        objective = paper.objective() if distills else Supervised()
        recipe = replace(paper.recipe(), precision=work.precision)
        how = {"recipe": recipe, "seed": 0, "checkpoints": checkpoints, "ranks": ranks}
        list(fit(network, data, objective, teach=teach, **how))


def _images(folder: Path) -> Subset:
    array = np.load(folder / "images.npy", mmap_mode="r")
    labels = np.arange(len(array)) % len(paper.CLASSES)
    keys = tuple(f"{place:05}" for place in range(len(array)))
    return Subset(np.arange(len(array)), labels, keys, paper.CLASSES, array)


def _some(images: Subset, first: int, last: int) -> Subset:
    part = slice(first, last)
    return Subset(images.rows[part], images.labels[part], images.keys[part], images.classes, images.array)


def _watch(done: threading.Event, most: list[int]) -> None:
    while not done.wait(_SECONDS):
        most[0] = max(most[0], anonymous())


if __name__ == "__main__":
    main()
