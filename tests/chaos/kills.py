"""SIGKILL and SIGTERM at random moments, over all stages by their share of time."""

import contextlib
import os
import signal
import time
from pathlib import Path
from random import Random

from chaos import verdict
from chaos.faults import Fault
from chaos.site import Broken, Cell, Site

_LEAST = 3
_TRIES = 6


def faults(site: Site, rng: Random, count: int) -> list[Fault]:
    """Return ``count`` kills, at least three in each stage, the others by the stages' share of time."""
    cells = list(site.cells.values())
    stages = sorted({cell.stage for cell in cells})
    chosen = [
        rng.choice([cell for cell in cells if cell.stage == stage]) for stage in stages for _ in range(_LEAST)
    ]
    rest = max(0, count - len(chosen))
    chosen += rng.choices(cells, weights=[cell.seconds for cell in cells], k=rest)
    return [_fault(cell, rng) for cell in chosen]


def _fault(cell: Cell, rng: Random) -> Fault:
    number = rng.choice((signal.SIGKILL, signal.SIGTERM))
    whom = rng.choice(("the stage", "dvc", "both"))

    def happen(broken: Broken, own: Random) -> verdict.Verdict:
        """Kill at a moment of the run of dvc; if that ends sooner, once more and earlier."""
        longest = 8 + 2 * cell.seconds
        for _ in range(_TRIES):
            broken.forget(cell.name)
            running = broken.start("dvc", "repro", cell.name)
            if running.lives(own.uniform(0, longest)) and _kill(running.process.pid, whom, number):
                running.end()
                _wait_for_orphans(broken.clone.folder)
                return verdict.after(broken, cell.name, "summarize")
            longest = min(longest, running.end().seconds)
        return verdict.Verdict(False, "never hit: it ended before every kill")

    return Fault("kill", f"{cell.name}, {number.name} to {whom}", happen)


def _kill(dvc: int, whom: str, number: signal.Signals) -> bool:
    """Send the signal; return whether there was somebody to get it."""
    stages = _children(dvc)
    if whom == "the stage" and not stages:
        return False
    with contextlib.suppress(ProcessLookupError):
        if whom != "the stage":
            os.kill(dvc, number)
        if whom != "dvc":
            for stage in stages:
                os.kill(stage, number)
        return True
    return False


def _children(parent: int) -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []


def _wait_for_orphans(folder: Path) -> None:
    """Wait until no process works in ``folder``: a stage ends by itself once its dvc has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not any(_works_in(process, folder) for process in Path("/proc").glob("[0-9]*")):
            return
        time.sleep(0.1)


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return Path(os.readlink(process / "cwd")).is_relative_to(folder)
    except OSError:
        return False
