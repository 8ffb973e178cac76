"""Cells in their order over a cluster: each as soon as what it needs is there, each once."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from erkt.machine.cluster import Cluster, Ended, Needs, Running

_LOOK_SECONDS = 1.0


@dataclass
class Standing:
    """How far a run of cells is: what has ended, what runs where, and what waits."""

    cells: Collection[str]
    ended: dict[str, Ended] = field(default_factory=dict)
    running: Mapping[str, Running] = field(default_factory=dict)

    @property
    def failed(self) -> dict[str, str]:
        """Why cells failed, by name."""
        return {name: ended.error for name, ended in self.ended.items() if ended.error is not None}

    @property
    def made(self) -> list[str]:
        """The cells that are there."""
        return [name for name, ended in self.ended.items() if ended.error is None]


def make_all(
    graph: Mapping[str, Collection[str]],
    cluster: Cluster,
    needs: Callable[[str], Needs],
    function: Callable[..., Any],
    arguments: Callable[[str], tuple[object, ...]],
    *,
    show: Callable[[Standing], None],
    kept: Callable[[Ended], None],
    leave: Callable[[], bool],
) -> Standing:
    """Have ``function(*arguments(cell))`` run for each cell of ``graph`` once those it waits for are made.

    A cell that fails holds back only what waits for it. ``kept`` gets each cell that ended well, ``show`` how
    far all is, about once a second. Once ``leave`` says so, what runs is asked to leave and nothing begins.
    Raises ErktError if the cluster is lost.
    """
    order = TopologicalSorter(graph)
    order.prepare()
    standing, submitted = Standing(graph.keys()), 0
    while True:
        for name in order.get_ready():
            cluster.submit(name, needs(name), function, *arguments(name))
            submitted += 1
        if len(standing.ended) == submitted:  # all, or what is left waits for what failed
            return standing
        stopping = leave()
        for ended in cluster.stop() if stopping else cluster.ended(_LOOK_SECONDS):
            standing.ended[ended.key] = ended
            if ended.error is None:
                kept(ended)
                order.done(ended.key)
        standing.running = {} if stopping else cluster.running()
        show(standing)
        if stopping:
            return standing
