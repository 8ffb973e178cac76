"""The three parts of the day, what each is asked for, and how it is run in a process of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.day.places import EQUIVALENCE
from benchmarks.day.protocols import Params
from benchmarks.day.sizes import REAL, TOY
from erkt.files.json_file import read_records

WEIGHTS = {"equivalence": 3.0, "speed": 3.0, "table9": 7.0}
"""The parts in their order, and their shares of the time."""
WHAT = {
    "equivalence": "views, losses, a step, the cache, recompute, resuming and memory, beside the CPU",
    "speed": "the rows of make bench that the device has, and what bounds a step",
    "table9": "the rows {rows} at up to {epochs} epochs, seeds {seeds}, on {archive}, preset {preset}",
}


@dataclass(frozen=True)
class Day:
    """What the command line asks for, checked; ``rows`` and what follows belong to ``table9``."""

    out: Path
    scratch: Path
    device: str
    toy: bool
    parts: tuple[str, ...]
    end: float
    rows: dict[str, Params]
    facts: dict[str, Any]
    archive: Path | None
    seeds: tuple[int, ...]
    epochs: int
    inference_batch: int
    environment: dict[str, str]
    graphs: bool


_LAST = 8.0  # seconds


def graphs_refused(out: Path) -> bool:
    """Return whether the equivalence in ``out`` has a training by graphs that failed or left its bounds."""
    if not (out / EQUIVALENCE).exists():
        return False
    return any(not check["kept"] for check in read_records(out / EQUIVALENCE) if "graphs" in check["name"])


def run_part(day: Day, part: str, ends: float) -> None:
    """Do one part in its own process, killed at ``ends``; the last seconds before are for what it leaves."""
    sizes, ends = TOY if day.toy else REAL, ends - _LAST
    if part == "equivalence":
        from benchmarks.day import equivalence

        equivalence.run(day.out, day.scratch, day.device, sizes, ends)
    elif part == "speed":
        from benchmarks.day import speed

        speed.run(day.out, day.device, sizes, ends)
    else:
        from benchmarks.day import table9

        assert day.archive is not None  # checked with the command line
        graphs = day.graphs and not graphs_refused(day.out)
        if graphs != day.graphs:
            print("  without graphs, which the equivalence did not find as good", flush=True)
        asked = table9.Asked(
            day.rows,
            day.archive,
            day.facts | {"graphs": graphs},
            day.seeds,
            day.epochs,
            day.inference_batch,
            day.environment,
            graphs,
        )
        table9.run(day.out, day.scratch, day.device, asked, ends)
