"""What a step of distillation calls, launches, sends and waits for, counted without a GPU.

    python -m benchmarks.step_calls [--batch 30] [--side 256] [--images device]

Prints a table of the paper's student with stored logits of three teachers: on the CPU, and on torch's device
``meta`` in a GPU's place, where code for devices runs on shapes alone (``benchmarks.meta_device``). Launches
are operators that make numbers; a few of them start more than one kernel, so a GPU's own count is higher.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from benchmarks import paper
from benchmarks.meta_device import META, Calls, standing_in
from erkt.networks.models import put_on
from erkt.teachers.reader import CachedTeachers
from erkt.training.engine import fit

_CPU = torch.device("cpu")
_STEPS = 4
_COUNTED = 3  # not an epoch's first step, which brings a view and its logits there, nor its last


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=paper.BATCH)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--images", choices=("device", "host"), default="device")
    options = parser.parse_args()
    print("| where | part | operators | launches | waits for a number | copies there | waiting copies |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for device in (_CPU, META):
        for part, calls in counted(device, options.batch, options.side, options.images).items():
            print(f"| {device} | {part} | {' | '.join(map(str, calls.values()))} |")


def counted(device: torch.device, batch: int, side: int, images: str) -> dict[str, dict[str, int]]:
    """Return what a step on ``device``, META or the CPU, does: as a whole, and some parts on their own."""
    data = replace(paper.data(paper.images(_STEPS * batch, side), device, batch), images=images)
    rows = np.zeros((3, len(data.subset), len(paper.CLASSES)), np.float16)
    teach = CachedTeachers([{0: row} for row in rows], [0.3, 0.4, 0.3], "logits")
    objective, recipe = paper.objective(), paper.recipe()
    with _calls(device) as calls:
        student = put_on(paper.network(paper.STUDENT, side, _CPU), device).train()
        steps: list[dict[str, int]] = []

        def on_step(done: int, total: int) -> None:
            steps.append(_taken(calls))

        list(fit(student, data, objective, recipe=recipe, seed=0, teach=teach, on_step=on_step))
        view, order = data.epoch(0, 1)
        made = [data.batch(view, positions) for positions in order[:2]][1]
        teacher = teach(made)
        logits = student(made.images).detach().requires_grad_()

        def loss() -> None:
            found = objective(logits, teacher, made.label_a, made.label_b, made.alpha, 0)
            found["loss"].backward()

        parts: Mapping[str, Callable[[], object]] = {
            "views": lambda: data.batch(view, order[_COUNTED - 1]),
            "stored logits": lambda: teach(made),
            "network, forward and backward": lambda: student(made.images).sum().backward(),
            "loss, forward and backward": loss,
        }
        found = {"whole step": steps[_COUNTED - 1]}
        for name, call in parts.items():
            student.zero_grad()
            _taken(calls)
            call()
            found[name] = _taken(calls)
    return found


@contextmanager
def _calls(device: torch.device) -> Iterator[Calls]:
    if device == META:
        with standing_in() as calls:
            yield calls
    else:
        with Calls(device) as calls:
            yield calls


def _taken(calls: Calls) -> dict[str, int]:
    """Return the numbers of calls since the last time."""
    found = {
        "operators": len(calls.operators),
        "launches": len(calls.launches),
        "reads": len(calls.reads),
        "sent": len(calls.sent),
        "waiting": sum(waits for _, waits in calls.sent),
    }
    for kept in (calls.operators, calls.launches, calls.reads, calls.sent):
        kept.clear()
    return found


if __name__ == "__main__":
    main()
