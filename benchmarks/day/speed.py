"""The second part: the rows of ``make bench`` that the device has, and what bounds a step there.

The most telling rows come first. A row begins if as much time is left as it may take; what does not fit is
named. Left out are rows of CPUs alone, ``memory``, which the first part has, and whatever is compiled.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.day import rates
from benchmarks.day.places import RATES
from benchmarks.day.processes import last_line
from benchmarks.day.sizes import Sizes
from benchmarks.day.trained import chosen, small
from benchmarks.rows import Row, write
from benchmarks.session import Bench
from erkt.files.json_file import write_json
from erkt.views import fused

Benchmark = tuple[str, float, Callable[[], object]]
"""A name, the seconds that it may take, and what measures and adds its rows."""


def run(out: Path, device: str, sizes: Sizes, until: float) -> None:
    """Measure while there is time; write ``bench-<device>.json`` and ``rates.json`` in ``out``, row by row.

    Raises RuntimeError at the end, naming every benchmark that failed or did not fit.
    """
    small(sizes)
    bench = _Written(chosen(device), quick=sizes.student is not None, whole=False, eager=True)
    bench.path = out / f"bench-{device}.json"
    missing = []
    for name, seconds, measure in _all(bench, out, sizes):
        if time.time() + seconds > until:
            missing.append(f"{name}: left out, no time")
            continue
        started = time.time()
        try:
            measure()
        except Exception as error:  # noqa: BLE001  # the others are measured all the same
            missing.append(f"{name}: {last_line(error)}")
        print(f"  {name}: {time.time() - started:.0f} s", flush=True)
        if device == "cuda":
            torch.cuda.empty_cache()
    if missing:
        raise RuntimeError("; ".join(missing))


class _Written(Bench):
    """Benchmarks whose rows are in a file as soon as they are measured."""

    path: Path

    @property
    def rounds(self) -> int:
        """One round is enough for a rehearsal."""
        return 1 if self.quick else super().rounds

    def add(self, name: str, against: str, ratios: Sequence[float], **facts: Any) -> Row:
        """Add the row, and write all."""
        row = super().add(name, against, ratios, **facts)
        write(self.path, self.rows)
        print(f"  {name}, {row.size} px, against {against}: {row.ratio:.2f}", flush=True)
        return row


def _all(bench: Bench, out: Path, sizes: Sizes) -> Iterator[Benchmark]:
    # Here, since they need pytest: without it rates are measured all the same.
    found: dict[str, float] = {}
    yield "rates of the device", 5, partial(_rates, bench, out, sizes, found)
    yield "work of a step", 10, partial(_steps, bench, out, sizes, found)
    from benchmarks import test_graphs, test_infer, test_loss, test_plain, test_training, test_vsm

    race, folder, (first, *others) = bench.race, partial(_in_a_folder, bench=bench), sizes.raced
    yield f"step, {first} px", 10, partial(test_training.test_step, first, bench, race)
    yield f"epoch, {first} px", 20, partial(test_training.test_epoch_and_total, first, bench, race)
    yield f"plain, {first} px", 45, partial(folder, test_plain.test_plain, first)
    yield f"workers, {first} px", 20, partial(test_vsm.test_vsm_against_workers, first, bench, race)
    yield f"vsm, {first} px", 5, partial(_on_one_thread, test_vsm.test_vsm, first, bench, race)
    for classes in (45, 1000):
        yield f"loss, {classes}", 5, partial(test_loss.test_loss, classes, bench, race)
    # A kernel that fails on a device may spoil whatever comes after it in this process.
    yield f"graphs, {first} px", 15, partial(test_graphs.test_graphs, first, bench, race)
    if bench.device.type == "cuda" and fused.available():
        yield f"fused, {first} px", 10, partial(test_vsm.test_vsm_fused, first, bench, race)
    for batch in (1, 64) if not bench.quick else (1,):
        yield f"infer, {batch}", 10, partial(folder, test_infer.test_infer, batch)
    for side in others:
        if side >= 128:
            yield f"graphs, {side} px", 15, partial(test_graphs.test_graphs, side, bench, race)
            yield f"step, {side} px", 10, partial(test_training.test_step, side, bench, race)
            yield f"epoch, {side} px", 20, partial(test_training.test_epoch_and_total, side, bench, race)
        yield f"vsm, {side} px", 5, partial(_on_one_thread, test_vsm.test_vsm, side, bench, race)
        yield f"workers, {side} px", 20, partial(test_vsm.test_vsm_against_workers, side, bench, race)


def _rates(bench: Bench, out: Path, sizes: Sizes, found: dict[str, float]) -> None:
    found |= rates.of_device(bench.device, sizes)
    write_json(out / RATES, {"device": bench.name, **found, "steps": []})


def _steps(bench: Bench, out: Path, sizes: Sizes, found: dict[str, float]) -> None:
    steps = rates.of_steps(bench.device, sizes.raced[0], found)
    write_json(out / RATES, {"device": bench.name, **found, "steps": steps})


def _on_one_thread(measure: Callable[..., None], *arguments: object) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        measure(*arguments)
    finally:
        torch.set_num_threads(before)


def _in_a_folder(measure: Callable[..., None], size: int, *, bench: Bench) -> None:
    with TemporaryDirectory() as folder:
        measure(size, bench, bench.race, Path(folder))
