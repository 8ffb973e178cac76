"""Peak memory of one kind of work on 31,500 images, in a process of its own.

    python -m benchmarks.memory FOLDER {train,cache,distill,evaluate} ARCH

FOLDER holds images.npy, uint8 (N, 3, S, S). Prints bytes: the most that was in use at once beyond files mapped into
memory, whose pages the system can drop. A few steps are enough: after them nothing grows.
"""

import argparse
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks import paper
from erkt.batches import ViewBatches
from erkt.cache.reader import CachedTeachers
from erkt.cache.writer import block_logits
from erkt.checkpoints import Checkpoint, Checkpoints
from erkt.data.images import Subset
from erkt.device import choose
from erkt.engine import fit
from erkt.inference import predict
from erkt.losses.supervised import Supervised
from erkt.params.runtime import Runtime
from erkt.schema import build

KINDS = ("train", "cache", "distill", "evaluate")
_STEPS, _TRAIN_SHARE, _TESTED = 4, 5, 600
_SECONDS = 0.005


class EnoughError(Exception):
    """Raised when no more work is needed."""


class AFewSteps(Checkpoints):
    """Ends the work after some steps, each of which makes a checkpoint."""

    def __init__(self) -> None:
        self._left = _STEPS

    def after_step(self, make: Callable[[], Checkpoint]) -> None:
        """Make a checkpoint, as a run does once a minute."""
        make()
        self._left -= 1
        if not self._left:
            raise EnoughError


def main() -> None:
    """Do the work and print its peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("arch")
    options = parser.parse_args()
    array = np.load(options.folder / "images.npy", mmap_mode="r")
    labels = np.arange(len(array)) % len(paper.CLASSES)
    keys = tuple(f"{place:05}" for place in range(len(array)))
    images = Subset(np.arange(len(array)), labels, keys, paper.CLASSES, array)
    done = threading.Event()
    peak = [0]
    watch = threading.Thread(target=_watch, args=(done, peak))
    watch.start()
    try:
        _work(options.kind, options.arch, images)
    except EnoughError:
        pass
    finally:
        done.set()
        watch.join()
    print(max(peak[0], _reserved()))


def _work(kind: str, arch: str, images: Subset) -> None:
    device = choose(build(Runtime, paper.PARAMS["runtime"], "runtime"))
    batch = paper.PARAMS["runtime"]["inference_batch"]
    network = paper.network(arch, images.side, device)
    train, test = (
        _some(images, 0, len(images) // _TRAIN_SHARE),
        _some(images, len(images) - _TESTED, len(images)),
    )
    if kind == "evaluate":
        predict(network, test, batch, device)
    elif kind == "cache":
        block_logits(
            network,
            ViewBatches(train, paper.views(), 0, 20, batch, device),
            range(20),
            checkpoints=AFewSteps(),
        )
    else:
        data, recipe = ViewBatches(train, paper.views(), 0, 1, paper.BATCH, device), paper.recipe()
        block = np.zeros((len(train), len(paper.CLASSES)), np.float16)
        teach = CachedTeachers([{0: block}] * 3, [0.3, 0.3, 0.4], "logits") if kind == "distill" else None
        objective = paper.objective() if kind == "distill" else Supervised()
        list(fit(network, data, objective, recipe, 0, teach, checkpoints=AFewSteps()))


def _some(images: Subset, first: int, last: int) -> Subset:
    part = slice(first, last)
    return Subset(images.rows[part], images.labels[part], images.keys[part], images.classes, images.array)


def _watch(done: threading.Event, peak: list[int]) -> None:
    while not done.wait(_SECONDS):
        peak[0] = max(peak[0], anonymous())


def anonymous() -> int:
    """Return the bytes that this process uses beyond mapped files (Linux)."""
    with open("/proc/self/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return sum(int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem", "VmSwap"))


def _reserved() -> int:
    return torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0


if __name__ == "__main__":
    sys.exit(main())
