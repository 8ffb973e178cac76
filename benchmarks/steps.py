"""Seconds of an epoch of the student in a process of its own, whose memory is set up as a stage's is.

    python -m benchmarks.steps SIDE [--recompute]

Prints the median of a few epochs.
"""

import argparse
import statistics
import time

import numpy as np
import torch

from benchmarks import paper
from benchmarks.training import epochs
from erkt.machine.device import choose
from erkt.networks.recompute import forget_activations
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.teachers.reader import CachedTeachers

_BATCHES, _EPOCHS = 2, 3


def main() -> None:
    """Train; the first epoch is not counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", type=int)
    parser.add_argument("--recompute", action="store_true")
    options = parser.parse_args()
    runtime = paper.PARAMS["runtime"] | {"recompute": options.recompute}
    device = choose(build(Runtime, runtime, "runtime"))
    data = paper.data(paper.images(_BATCHES * paper.BATCH, options.side), device)
    block = np.zeros((len(data.subset), len(paper.CLASSES)), np.float16)
    teachers = CachedTeachers([{0: block}] * 3, [0.3, 0.3, 0.4], "logits")
    student = paper.network(paper.STUDENT, options.side, device)
    if options.recompute:
        forget_activations(student)
    epoch, taken = epochs(student, data, teachers), []
    for _ in range(1 + _EPOCHS):
        started = time.perf_counter()
        epoch()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    print(statistics.median(taken[1:]))


if __name__ == "__main__":
    main()
