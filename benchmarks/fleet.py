"""How long many cells take on many machines that fail: the scheduler of erkt fleet, with a clock of its own.

    python -m benchmarks.fleet

Ten seeds, ten teachers and six blocks of views make 884 cells. A cell takes what it took in the demo (its
stage's mean in metrics/environment), a hundred times over, so that the student takes hours. Machines have
one place each, fail at random times, independently, and come back. Writes metrics/fleet-simulation.json, with
the seconds of each stage.
"""

import heapq
import math
import statistics
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

from erkt.files.json_file import read_json, write_json
from erkt.files.yaml_file import read_yaml
from erkt.machine.cluster import Ended, Needs, Running
from erkt.pipeline import paths
from erkt.pipeline.cells import all_cells, upstream
from erkt.pipeline.experiments.page import markdown
from erkt.pipeline.fleet.making import make_all
from erkt.seeds import Stream, stream

SEEDS, TEACHERS, BLOCKS, SCALE = 10, 10, 6, 100
MACHINES = (1, 8, 64, 256)
HOURS_BETWEEN_FAILURES = (math.inf, 24.0, 4.0, 1.0)
START, CHECKPOINT, NOTICED, AWAY = 10.0, 60.0, 15.0, 600.0
"""Seconds: until a cell works, between checkpoints, until a dead machine is missed, until it is back."""

LONG = ("train_teacher", "cache_logits", "distill")
"""Stages that go on from a checkpoint; the others start again."""

OUT = paths.METRICS / "fleet-simulation.json"


class SimulatedCluster:
    """Machines with one place each and a clock that jumps to the next event.

    ``lost`` counts the seconds that machines worked in vain, ``failures`` the tasks that were interrupted.
    """

    def __init__(self, machines: int, between: float, seconds: Callable[[str], float], draws: Stream) -> None:
        self.now, self.lost, self.failures = 0.0, 0.0, 0
        self._between, self._seconds, self._draws = between, seconds, draws
        self._waiting: deque[str] = deque()
        self._left: dict[str, float] = {}
        self._at: dict[int, tuple[str, float]] = {}  # machine: its cell, and when it began
        self._free = list(range(machines))
        self._events: list[tuple[float, int, str, int, str]] = []
        for machine in range(machines):
            self._fail_later(machine)

    def submit(self, key: str, needs: Needs, function: Callable[..., Any], *arguments: object) -> None:
        """Put a cell at the end of the queue."""
        self._left[key] = self._seconds(key)
        self._waiting.append(key)

    def ended(self, seconds: float) -> list[Ended]:
        """Go on to the next end of a cell."""
        while True:
            self._begin()
            time, _, what, machine, key = heapq.heappop(self._events)
            self.now = time
            if what == "end" and self._at.get(machine, ("", 0.0))[0] == key and self._due(machine) <= time:
                _, begun = self._at.pop(machine)
                self._free.append(machine)
                return [Ended(key, str(machine), time - begun, None, None)]
            if what == "fail":
                self._fail(machine)
            elif what == "again":
                self._waiting.appendleft(key)
            elif what == "back":
                self._free.append(machine)
                self._fail_later(machine)

    def running(self) -> Mapping[str, Running]:
        """Return what runs now."""
        return {key: Running(str(machine), begun) for machine, (key, begun) in self._at.items()}

    def stop(self) -> list[Ended]:
        """Nobody stops a simulation."""
        return []

    def _begin(self) -> None:
        while self._waiting and self._free:
            machine, key = self._free.pop(), self._waiting.popleft()
            self._at[machine] = (key, self.now)
            self._event(START + self._left[key], "end", machine, key)

    def _due(self, machine: int) -> float:
        key, begun = self._at[machine]
        return begun + START + self._left[key]

    def _fail(self, machine: int) -> None:
        """Lose what has been done since the last checkpoint, and run the rest somewhere else."""
        self._event(AWAY, "back", machine, "")
        if machine in self._free:
            self._free.remove(machine)
            return
        key, begun = self._at.pop(machine)
        worked = max(0.0, self.now - begun - START)
        kept = worked // CHECKPOINT * CHECKPOINT if key.partition("@")[0] in LONG else 0.0
        self._left[key] -= kept
        self.lost += self.now - begun - kept
        self.failures += 1
        self._event(NOTICED, "again", machine, key)

    def _fail_later(self, machine: int) -> None:
        if math.isfinite(self._between):
            wait = -self._between * math.log1p(-float(self._draws.doubles(1)[0]))
            self._event(wait, "fail", machine, "")

    def _event(self, after: float, what: str, machine: int, key: str) -> None:
        heapq.heappush(self._events, (self.now + after, len(self._events), what, machine, key))


def main() -> None:
    """Simulate all, write the file, print the table."""
    seconds, graph = cell_seconds(), cells()
    rows = [
        simulate(graph, seconds, machines, hours) for machines in MACHINES for hours in HOURS_BETWEEN_FAILURES
    ]
    write_json(
        OUT, {"cell_seconds": {stage: round(each, 1) for stage, each in seconds.items()}, "rows": rows}
    )
    print(table(rows), end="")


def simulate(
    graph: Mapping[str, Collection[str]], seconds: Mapping[str, float], machines: int, hours: float
) -> dict[str, Any]:
    """Return how one simulation went: hours and shares of machine time."""

    def of(cell: str) -> float:
        return seconds[cell.partition("@")[0]]

    draws = stream(0, "fleet", machines, str(hours))
    cluster = SimulatedCluster(machines, hours * 3600, of, draws)
    standing = make_all(
        graph,
        cluster,
        lambda cell: Needs(),
        print,
        lambda cell: (),
        show=lambda standing: None,
        kept=lambda ended: None,
        leave=lambda: False,
    )
    assert len(standing.made) == len(graph)
    work = sum(map(of, graph))
    return {
        "machines": machines,
        "hours_between_failures": hours if math.isfinite(hours) else None,
        "cells": len(graph),
        "work_hours": round(work / 3600, 1),
        "longest_chain_hours": round(longest_chain(graph, of) / 3600, 2),
        "hours": round(cluster.now / 3600, 2),
        "efficiency": round(work / machines / cluster.now, 3),
        "interrupted": cluster.failures,
        "lost_share": round(cluster.lost / work, 4),
    }


def longest_chain(graph: Mapping[str, Collection[str]], seconds: Callable[[str], float]) -> float:
    """Return the seconds of the longest chain of cells that wait for each other: no cluster is faster."""
    known: dict[str, float] = {}

    def until(cell: str) -> float:
        if cell not in known:
            known[cell] = START + seconds(cell) + max(map(until, graph[cell]), default=0.0)
        return known[cell]

    return max(map(until, graph))


def cell_seconds() -> dict[str, float]:
    """Return the seconds of a cell by stage, from the sidecars of the last run."""
    found = defaultdict(list)
    for path in (paths.METRICS / "environment").glob("*.json"):
        sidecar = read_json(path)
        found[sidecar["stage"].partition("@")[0]].append(sidecar["seconds"])
    return {stage: SCALE * statistics.mean(values) for stage, values in found.items()}


def cells() -> dict[str, list[str]]:
    """Return the cells of a large protocol, each with those that it needs."""
    params = read_yaml(paths.PARAMS)
    teacher = next(iter(params["teachers"].values()))
    params["seeds"] = list(range(SEEDS))
    params["teachers"] = {f"t{number}": teacher for number in range(TEACHERS)}
    params["cache"] = params["cache"] | {"blocks": list(range(BLOCKS))}
    return {name: sorted(makers) for name, makers in upstream(all_cells(params)).items()}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the simulations in Markdown."""
    return markdown(
        [
            {
                "machines": row["machines"],
                "one fails every": _hours(row["hours_between_failures"]),
                "hours": f"{row['hours']:.1f}",
                "efficiency": f"{row['efficiency']:.0%}".replace("%", " %"),
                "cells interrupted": row["interrupted"],
                "work lost": f"{row['lost_share']:.1%}".replace("%", " %"),
            }
            for row in rows
        ]
    )


def _hours(hours: float | None) -> str:
    return "never" if hours is None else f"{hours:g} h"


if __name__ == "__main__":
    main()
