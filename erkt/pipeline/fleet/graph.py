"""The cells that have to be made, and which wait for which: DVC's own graph, less what is as it should be."""

from collections.abc import Sequence
from typing import Any

from erkt.pipeline.dvc_repository import opened

Graph = dict[str, set[str]]
"""For each cell the cells that it waits for."""


def cells_to_make(targets: Sequence[str]) -> Graph:
    """Return those cells that may have changed, of what ``dvc repro TARGETS`` would look at.

    Without targets that is all. A cell may have changed if DVC says so, or if it reads what such a cell
    makes. Raises ErktError for a target that does not exist, and as DVC does.
    """
    with opened() as repo:
        whole = repo.index.graph
        wanted = [stage for target in targets for stage in repo.stage.collect(target)] or list(whole)
        needed = {stage: set(whole.successors(stage)) for stage in _with_upstream(whole, wanted)}
        changed = set(repo.status(targets=[stage.addressing for stage in needed]))
        stale = {
            stage for stage in needed if changed & {one.addressing for one in _with_upstream(whole, [stage])}
        }
        return {
            stage.addressing: {one.addressing for one in needed[stage] & stale}
            for stage in needed
            if stage in stale
        }


def _with_upstream(graph: Any, stages: Sequence[Any]) -> list[Any]:
    """Return ``stages`` and all that they need; DVC's edges lead from a stage to what it needs."""
    found: dict[Any, None] = {}
    waiting = list(stages)
    while waiting:
        stage = waiting.pop()
        if stage not in found:
            found[stage] = None
            waiting += graph.successors(stage)
    return list(found)
