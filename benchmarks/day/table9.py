"""The third part: Table 9's rows on real scenes, all seeds side by side on the device, a process a network.

First all teachers, which leave their logits on the students' views; then all students. Students show their
pace together, and get as many epochs as fit into the time left, at most those asked for, all alike. What is
there is written after each network that ends.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.day import cells
from benchmarks.day.cells import Work
from benchmarks.day.gathered import gather
from benchmarks.day.processes import Outcome, context, last_line, run_beside
from benchmarks.day.protocols import Params
from erkt.data.index import read_index
from erkt.data.lists import write_list
from erkt.data.prepare import prepare
from erkt.data.splits import split
from erkt.ensemble.search import search
from erkt.files.json_file import read_json, write_json
from erkt.params.ensemble import Ensemble
from erkt.params.prepare import Prepare
from erkt.params.schema import build
from erkt.params.split import Split

MARGIN = 0.8
"""Of the time left, what the epochs may take by the pace that was shown."""
RESERVE = 0.08
"""Of the part's time, what is left for the test part and the tables."""
TEACHING = 0.5
"""Of the part's time, what teachers may take."""
PATIENCE = 45.0
"""Seconds from the first pace that is shown, after which students that have shown none are not waited for."""


@dataclass(frozen=True)
class Asked:
    """What the command asks for: the params of each row, the archive, seeds, epochs and batches."""

    rows: dict[str, Params]
    archive: Path
    facts: dict[str, Any]
    seeds: tuple[int, ...]
    epochs: int
    inference_batch: int
    environment: dict[str, str]
    graphs: bool = False


def run(out: Path, scratch: Path, device: str, asked: Asked, until: float) -> None:
    """Make the table; write ``table9.json``, its curves and its predictions in ``out``, network by network.

    Raises RuntimeError at the end, naming every network that failed.
    """
    began, names = time.time(), list(next(iter(asked.rows.values()))["teachers"])
    beside = len(asked.seeds) * max(len(names), len(asked.rows))
    threads = max(1, (os.cpu_count() or 1) // beside)
    folder = scratch / "table9"
    work = Work(
        asked.rows, folder, device, threads, asked.inference_batch, asked.environment, until, asked.graphs
    )
    facts = asked.facts | {"threads": threads, "networks_at_a_time": beside, "seconds": {}}

    _prepare(work, asked)
    tests = {seed: work.parts(seed, "test")[0] for seed in asked.seeds}
    facts["seconds"]["images"] = round(time.time() - began, 1)
    print(f"  images after {time.time() - began:.0f} s", flush=True)

    def written(phase: str) -> Callable[[dict[str, Outcome]], None]:
        seen = [0]

        def write(done: dict[str, Outcome]) -> None:
            if len(done) > seen[0]:
                seen[0] = len(done)
                facts["seconds"][phase] = round(time.time() - began, 1)
                gather(out, work, tests, facts)

        return write

    teachers = {
        f"{seed} {name}": (cells.train_teacher, (work, seed, name)) for seed in asked.seeds for name in names
    }
    ended = run_beside(teachers, device, began + TEACHING * (until - began), written("teachers"))
    print(f"  teachers after {time.time() - began:.0f} s", flush=True)
    seeds = [seed for seed in asked.seeds if not any(ended[f"{seed} {name}"].error for name in names)]
    for seed in seeds:
        _mix(work, seed, names)

    all_ready = context(device).Barrier(max(1, len(seeds) * len(asked.rows)))
    students = {
        f"{seed} {row}": (cells.train_student, (work, seed, row, all_ready))
        for row in asked.rows
        for seed in seeds
    }
    write, cut = written("students"), until - RESERVE * (until - began)

    def meanwhile(done: dict[str, Outcome]) -> None:
        write(done)  # first: what has ended is kept, whatever becomes of the rest
        decide(work, asked, list(students), done, cut, time.time())

    ended |= run_beside(students, device, until, meanwhile)
    gather(out, work, tests, facts)
    failed = {name: last_line(one.error) for name, one in ended.items() if one.error}
    if failed:
        raise RuntimeError("; ".join(f"{name}: {error}" for name, error in failed.items()))


def _prepare(work: Work, asked: Asked) -> None:
    params = work.params
    settings = build(Prepare, params["prepare"], "prepare")
    prepare(asked.archive, work.prepared, settings, lambda done, total: None)
    rows = read_index(work.prepared / "index.csv")
    keys, labels = [row.key for row in rows], [row.label for row in rows]
    for seed in asked.seeds:
        for part, places in split(keys, labels, build(Split, params["split"], "split"), seed).items():
            if part != "unlabelled":
                chosen = [keys[place] for place in places], [labels[place] for place in places]
                write_list(work.split(seed, part), *chosen)


def _mix(work: Work, seed: int, names: Sequence[str]) -> None:
    """Search or take the ensemble's weights, as the pipeline does."""
    (val,) = work.parts(seed, "val")
    settings = build(Ensemble, work.params["ensemble"], "ensemble")
    scores = {name: np.load(work.of(seed, name) / "val.npy") for name in names}
    weights = search(scores, val.labels, settings).weights
    write_json(work.of(seed, cells.ENSEMBLE), {"weights": weights, "space": settings.space})


def decide(
    work: Work, asked: Asked, names: Sequence[str], done: dict[str, Outcome], cut: float, now: float
) -> None:
    """Say how many epochs fit as soon as every student that still runs has shown its pace, or had time.

    ``now``, and ``cut``, when students have to end, are seconds as of ``time.time``.
    """
    target = work.folder / cells.LENGTH
    if target.exists():
        return
    paces, first = {}, now
    for name in names:
        seed, row = name.split()
        shown = work.of(int(seed), row) / cells.PACE
        if shown.exists():
            times = asked.rows[row]["distill"]["recipe"]["epochs"] / asked.epochs
            paces[name] = read_json(shown)["seconds"] * times
            first = min(first, shown.stat().st_mtime)
    all_shown = all(name in paces or name in done for name in names)
    if paces and (all_shown or now - first > PATIENCE):
        left = cut - now
        fitting = max(1, int(MARGIN * left / max(paces.values())))
        epochs = min(asked.epochs, fitting)
        write_json(target, {"epochs": epochs, "asked": asked.epochs, "cut": cut, "fitting": fitting})
        print(
            f"  {epochs} of {asked.epochs} epochs: {left:.0f} s are left, and {fitting} would fit", flush=True
        )
