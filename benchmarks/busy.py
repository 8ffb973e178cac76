"""A step of distillation alone and beside two busy processes, with several ways of waiting for threads.

    python -m benchmarks.busy [--seconds 4] [--rounds 5]

Writes ``metrics/busy-cpu.json`` and prints it as a table. A process that waits for its share of a core delays
every thread that waits for it. ``kept`` says how much of its fair share of speed a step keeps beside the
others: 1 is as fast as the share of the cores that n threads get among n + 2. Alone and beside take turns.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from benchmarks import paper
from benchmarks.training import epochs
from erkt.files.json_file import write_json
from erkt.machine.device import choose
from erkt.machine.waiting import LOOKS
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.pipeline import paths
from erkt.pipeline.experiments.page import markdown
from erkt.teachers.reader import CachedTeachers

_FOUND = paths.METRICS / "busy-cpu.json"
_STEPS = {"the demo's student": ("test_resnet", 64), "B0": ("efficientnet_b0", 64)}
_BUSY = 2
_SPIN = "while True: pass"

_USUAL = "as torch chooses"

WAYS: dict[str, tuple[int, Mapping[str, str]]] = {
    _USUAL: (1, {}),
    "waiting threads sleep": (1, {"OMP_WAIT_POLICY": "PASSIVE"}),
    "they look a while, then sleep (erkt)": (1, {"GOMP_SPINCOUNT": str(LOOKS)}),
    "one thread": (1, {"OMP_NUM_THREADS": "1"}),
    "two processes of one thread": (2, {"OMP_NUM_THREADS": "1"}),
}
"""Processes that train side by side, and what their environment says."""


def main() -> None:
    """Measure all, or, as a process of its own, make steps when told to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps-of", nargs=2, metavar=("ARCH", "SIDE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps_of:
        _make_steps(options.steps_of[0], int(options.steps_of[1]))
        return
    rows = []
    for step, (arch, side) in _STEPS.items():
        for row in _measured(arch, side, options.seconds, options.rounds):
            rows.append({"step": step, "side": side} | row)
    write_json(_FOUND, rows)
    print(table(rows), end="")


def _measured(arch: str, side: int, seconds: float, rounds: int) -> Iterator[dict[str, object]]:
    """Yield for each way the steps a second of its processes together, alone and beside busy ones."""
    with ExitStack() as ended:
        children = {
            way: [_started(arch, side, own, ended) for _ in range(n)] for way, (n, own) in WAYS.items()
        }
        threads = {way: sum(int(_line(child)) for child in mine) for way, mine in children.items()}
        alone: dict[str, list[float]] = {way: [] for way in WAYS}
        beside: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way, mine in children.items():
                alone[way].append(_rate(mine, seconds))
            with _busy():
                for way, mine in children.items():
                    beside[way].append(_rate(mine, seconds))
    cores = len(os.sched_getaffinity(0))
    for way, wanted in threads.items():
        fair = cores * wanted / max(cores, wanted + _BUSY) / min(cores, wanted)
        kept = [there / here / fair for there, here in zip(beside[way], alone[way], strict=True)]
        others = [mine / usual for mine, usual in zip(alone[way], alone[_USUAL], strict=True)]
        yield {
            "way": way,
            "threads": wanted,
            "alone": round(statistics.median(alone[way]), 2),
            "alone_over_usual": round(statistics.median(others), 3),
            "beside": round(statistics.median(beside[way]), 2),
            "fair_share": round(fair, 3),
            "kept": round(statistics.median(kept), 3),
            "low": round(min(kept), 3),
            "high": round(max(kept), 3),
        }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what was measured in Markdown."""
    return markdown(
        [
            {
                "step": row["step"],
                "way": row["way"],
                "alone, ratio": f"{row['alone_over_usual']:.2f}",
                "beside, steps/s": f"{row['beside']:.1f}",
                "kept": f"{row['kept']:.2f}",
                "lowest to highest": f"{row['low']:.2f} to {row['high']:.2f}",
            }
            for row in rows
        ]
    )


def _started(arch: str, side: int, own: Mapping[str, str], ended: ExitStack) -> "subprocess.Popen[str]":
    """Start a process that makes steps; it ends with ``ended``."""
    told = ("OMP_", "GOMP_", "MKL_")
    usual = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    command = [sys.executable, "-m", "benchmarks.busy", "--steps-of", arch, str(side)]
    child = subprocess.Popen(
        command, env=usual | own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    ended.callback(child.communicate)
    ended.callback(child.kill)
    return child


def _rate(children: list["subprocess.Popen[str]"], seconds: float) -> float:
    """Return the steps a second of all ``children``, each told to go on for ``seconds``."""
    for child in children:
        assert child.stdin is not None
        child.stdin.write(f"{seconds}\n")
        child.stdin.flush()
    return sum(float(_line(child)) for child in children)


def _line(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise RuntimeError(f"a process of the benchmark ended with {child.wait()}; its message is above")
    return line


@contextmanager
def _busy() -> Iterator[None]:
    """Keep two processes busy that belong to nobody, each with one thread."""
    others = [subprocess.Popen([sys.executable, "-c", _SPIN]) for _ in range(_BUSY)]
    try:
        time.sleep(0.3)  # until they spin
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _make_steps(arch: str, side: int) -> None:
    """Say how many threads there are; then make steps for each line of seconds, and say how many a second."""
    device = choose(build(Runtime, paper.PARAMS["runtime"] | {"device": "cpu"}, "runtime"))
    data = paper.data(paper.images(2 * paper.BATCH, side), device)
    block = np.zeros((len(data.subset), len(paper.CLASSES)), np.float16)
    teachers = CachedTeachers([{0: block}] * 3, [0.3, 0.3, 0.4], "logits")
    student = paper.network(arch, side, device)
    epoch = epochs(student, data, teachers)
    epoch()
    print(torch.get_num_threads(), flush=True)
    for line in sys.stdin:
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < float(line):
            epoch()
            done += 2
        print(done / (time.perf_counter() - started), flush=True)


if __name__ == "__main__":
    main()
