"""One network in one process and in two: images a second, and the memory of each process.

    python -m benchmarks.ranks {speed,memory} [--small]

The paper's student learns from stored logits. ``speed`` trains on a few batches of 30, in all threads of the
machine together, and gives the median of a few epochs. ``memory`` is that of ``benchmarks.memory``, of the
first process and of the others, with 31,500 images and batches of 32: of 30 the first has two more than the
second. Writes metrics/ranks-{speed,memory}-<device>.json. ``--small`` takes a small network and small images,
prints, and writes nothing.
"""

import argparse
import importlib
import json
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import cpuinfo
import numpy as np
import torch

from benchmarks import memory, paper
from benchmarks.training import epochs
from erkt.files.json_file import write_json
from erkt.inflight.stopping import Stop
from erkt.machine.device import choose
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.pipeline import paths
from erkt.pipeline.experiments.page import markdown
from erkt.teachers.reader import CachedTeachers
from erkt.training.processes import launch
from erkt.training.ranks import ALONE, Ranks, joined

PROCESSES = (1, 2)
_IMAGES, _SIDE = 31_500, 256
_SMALL = (600, 32, "test_byobnet")  # images, side, network
_BATCHES, _EPOCHS, _EQUAL_BATCH = 4, 3, 32


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("speed", "memory"))
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    images, side, arch = _SMALL if options.small else (_IMAGES, _SIDE, paper.STUDENT)
    device = choose(build(Runtime, paper.PARAMS["runtime"], "runtime"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.what == "speed":
            measure = partial(_speed, folder, arch, side)
        else:
            shape = (images, 3, side, side)
            np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape).flush()
            measure = partial(_memory, folder, arch)
        found = {str(count): _measured(measure, count, folder, device) for count in PROCESSES}
    machine = {"cpu": cpuinfo.get_cpu_info().get("brand_raw", ""), "threads": torch.get_num_threads()}
    whole = machine | {"torch": torch.__version__, "network": arch, "processes": found}
    if options.small:
        print(json.dumps(whole, indent=2))
    else:
        write_json(paths.METRICS / f"ranks-{options.what}-{device.type}.json", whole)
        print(table(whole, options.what), end="")


def table(found: dict[str, Any], what: str) -> str:
    """Return what was found in Markdown: of ``what``, speed or memory."""
    alone = found["processes"]["1"][0]
    rows = []
    for count, each in found["processes"].items():
        row = {"processes": count}
        if what == "speed":
            row["images a second"] = f"{each[0]:.1f}"
            row["over one process"] = f"{each[0] / alone:.2f}"
        else:
            row["first process"] = f"{each[0] / 1e9:.2f} GB"
            row["each other"] = ", ".join(f"{one / 1e9:.2f} GB" for one in each[1:])
        rows.append(row)
    return markdown(rows)


def _measured(measure: partial[float], count: int, folder: Path, device: torch.device) -> list[float]:
    """Return what each of ``count`` processes measures."""
    launch(count, device, _work, measure, folder, device)
    return [float((folder / f"rank-{number}").read_text()) for number in range(count)]


def _work(stop: Stop, measure: partial[float], folder: Path, device: torch.device) -> str:
    if os.environ["WORLD_SIZE"] == "1":
        return _note(folder, 0, measure(ALONE))
    with joined(device, share_cores=True) as group:
        return _note(folder, group.number, measure(group))


def _note(folder: Path, number: int, value: float) -> str:
    (folder / f"rank-{number}").write_text(str(value))
    return ""


def _speed(folder: Path, arch: str, side: int, ranks: Ranks) -> float:
    device = choose(build(Runtime, paper.PARAMS["runtime"], "runtime"))
    data = paper.data(paper.images(_BATCHES * paper.BATCH, side), device)
    block = np.zeros((len(data.subset), len(paper.CLASSES)), np.float16)
    teachers = CachedTeachers([{0: block}] * 3, [0.3, 0.3, 0.4], "logits")
    epoch, taken = epochs(paper.network(arch, side, device), data, teachers, ranks), []
    for _ in range(1 + _EPOCHS):
        started = time.perf_counter()
        epoch()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    return len(data.subset) / statistics.median(taken[1:])


def _memory(folder: Path, arch: str, ranks: Ranks) -> float:
    paper.BATCH = _EQUAL_BATCH
    if ranks.number == 0:  # the process that reports, as in a stage
        importlib.import_module("mlflow")
    return memory.peak(memory.Work(folder, "distill", arch), ranks)


if __name__ == "__main__":
    main()
