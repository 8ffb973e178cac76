"""How far a run over machines is: a table that is rewritten on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from erkt.machine.cluster import Ended
from erkt.pipeline.fleet.making import Standing

_SHOWN = 30  # cells that run, in a table on a terminal


class Display:
    """Shows a ``Standing`` again and again."""

    def __init__(self, live: Live | None, stream: TextIO) -> None:
        self._live, self._stream = live, stream
        self._told: set[str] = set()
        self._places = 1  # as many cells as have run at the same time

    def show(self, standing: Standing) -> None:
        """Show how far all is; where there is no terminal, each beginning and each end is a line."""
        self._places = max(self._places, len(standing.running.keys() - standing.ended.keys()))
        if self._live is not None:
            self._live.update(self._table(standing))
            return
        for name, running in standing.running.items():
            if name not in standing.ended:
                self._line(f"{name}: runs on {running.node}")
        for name, ended in standing.ended.items():
            how = f"made in {span(ended.seconds)}" if ended.error is None else f"failed: {ended.error}"
            line = f"{name}: {how} on {ended.node or 'no machine'}"
            self._line(line, lambda: f"; {self._summary(standing)}")  # which looks at every cell

    def _line(self, line: str, more: Callable[[], str] = str) -> None:
        if line not in self._told:
            self._told.add(line)
            with suppress(OSError, ValueError):  # who read the lines has gone; the work goes on
                print(f"{line}{more()}", file=self._stream, flush=True)

    def _summary(self, standing: Standing) -> str:
        done, running = len(standing.ended), sum(name not in standing.ended for name in standing.running)
        counts = f"{done} of {len(standing.cells)} done, {running} running"
        seconds, whole = seconds_left(standing, self._places, time.time())
        if not seconds or standing.failed:  # what waits for a failed cell never begins
            return counts
        return f"{counts}, about {span(seconds)} left{'' if whole else ' in stages that have run before'}"

    def _table(self, standing: Standing) -> Table:
        table = Table(
            "cell", "machine", "since", title=self._summary(standing), title_justify="left", box=None
        )
        running = [(name, at) for name, at in standing.running.items() if name not in standing.ended]
        for name, at in running[:_SHOWN]:
            table.add_row(name, at.node, span(max(0.0, time.time() - at.since)))
        if len(running) > _SHOWN:
            table.add_row(f"and {len(running) - _SHOWN} more", "", "")
        for name, why in standing.failed.items():
            table.add_row(name, standing.ended[name].node, f"failed: {why}")
        return table


@contextmanager
def displayed(stream: TextIO | None = None) -> Iterator[Display]:
    """Yield a display on ``stream`` (None: stderr as it is now)."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield Display(None, stream)
        return
    with Live(console=Console(file=stream), transient=True, refresh_per_second=2) as live:
        yield Display(live, stream)


def seconds_left(standing: Standing, places: int, now: float) -> tuple[float, bool]:
    """Return the seconds that the rest takes where ``places`` cells run at once, and whether that is all.

    Each cell counts as its stage has taken on average. A stage of which no cell has ended is not counted.
    """
    taken: dict[str, list[float]] = {}
    for name, ended in standing.ended.items():
        if ended.error is None:
            taken.setdefault(_stage(name), []).append(ended.seconds)
    average = {stage: sum(seconds) / len(seconds) for stage, seconds in taken.items()}
    rest = [name for name in standing.cells if name not in standing.ended]
    work = 0.0
    for name in rest:
        spent = now - standing.running[name].since if name in standing.running else 0.0
        work += max(0.0, average.get(_stage(name), 0.0) - spent)
    return work / places, all(_stage(name) in average for name in rest)


def _stage(cell: str) -> str:
    return cell.partition(" of ")[0].partition("@")[0]


def report(standing: Standing) -> str:
    """Return the table of what ran where and for how long, what failed and why, and what never began."""
    rows = [("cell", "machine", "seconds", "")]
    rows += [_row(ended) for ended in standing.ended.values()]
    never = [name for name in standing.cells if name not in standing.ended]
    rows += [(name, "", "", "not begun: what it needs is missing") for name in never]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "".join(f"{_padded(row, widths)}\n" for row in rows)


def _row(ended: Ended) -> tuple[str, str, str, str]:
    how = f"failed: {ended.error}" if ended.error else ""
    if ended.value is not None and ended.value["others"]:  # what the caches have lost, or never had
        how = f"made there too: {', '.join(ended.value['others'])}"
    return ended.key, ended.node, f"{ended.seconds:.1f}", how


def _padded(row: Sequence[str], widths: Sequence[int]) -> str:
    name, node, seconds, end = row
    return f"{name:{widths[0]}}  {node:{widths[1]}}  {seconds:>{widths[2]}}  {end}".rstrip()


def span(seconds: float) -> str:
    """Return a time as a reader takes it in: ``42 s``, ``3 min``, ``2.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
