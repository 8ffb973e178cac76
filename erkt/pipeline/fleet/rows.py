"""The rows of an experiment over machines: one graph of all their cells, and what rows share once in it.

What comes of it lies in DVC's cache, with its memory of runs. So ``dvc exp run`` of a row then restores it.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from erkt.pipeline import paths
from erkt.pipeline.cells import cells_up_to, look_up, upstream
from erkt.pipeline.fleet.display import report
from erkt.pipeline.fleet.graph import Graph
from erkt.pipeline.fleet.head import make
from erkt.pipeline.fleet.making import Standing
from erkt.pipeline.fleet.place import Where
from erkt.pipeline.fleet.plan import Options, alone, planned
from erkt.pipeline.git import git

_REFS = "refs/fleet/rows"  # workers fetch all of refs/fleet


@dataclass
class Merged:
    """Cells of several rows. A key of ``graph`` is ``CELL of ROW``, for the first row that has it.

    ``of`` is that row and the cell's name; ``row`` lists all keys that a row needs.
    """

    graph: Graph = field(default_factory=dict)
    of: dict[str, tuple[str, str]] = field(default_factory=dict)
    row: dict[str, list[str]] = field(default_factory=dict)


def merged(rows: Mapping[str, Mapping[str, Any]], last_stages: Collection[str]) -> Merged:
    """Return the cells of ``rows``, params by name, up to ``last_stages``.

    Two cells are the same if they have the same name, the same params, and all that they read comes from
    cells that are. Code is that of one commit.
    """
    found, keys = Merged(), dict[str, str]()
    for row, params in rows.items():
        cells = {cell.name: cell for cell in cells_up_to(params, last_stages)}
        makers, own = upstream(cells.values()), dict[str, str]()
        for name in TopologicalSorter(makers).static_order():
            used = {key: look_up(params, key) for key in cells[name].entry()["params"]}
            read = {own[maker] for maker in makers[name]}
            same = json.dumps([name, used, sorted(read)], sort_keys=True)
            key = own[name] = keys.setdefault(same, f"{name} of {row}")
            if key not in found.graph:
                found.graph[key], found.of[key] = read, (row, name)
        found.row[row] = list(own.values())
    return found


def make_rows(
    rows: Mapping[str, Mapping[str, Any]], last_stages: Collection[str], where: Where
) -> dict[str, str]:
    """Have the cells of ``rows``, params by name, made on a cluster; return why rows are not whole, by name.

    Raises KeyboardInterrupt if asked to leave, and ErktError as ``planned`` and ``make`` do, or if another
    fleet runs here.
    """
    whole, root = merged(rows, last_stages), Path.cwd()
    # Every JSON is YAML, and its texts are texts whatever they look like.
    texts = {row: json.dumps(params, indent=1, ensure_ascii=False) for row, params in rows.items()}
    with (
        alone(),
        planned(root, Options(None, where.clones, remote=False), "".join(texts.values())) as plan,
        _committed(root, texts) as commits,
    ):
        plans = {row: plan | {"commit": commits[row], "logs": f"logs/{row}"} for row in rows}

        def arguments(key: str) -> tuple[Mapping[str, Any], str]:
            row, cell = whole.of[key]
            return plans[row], cell

        standing, stopped = make(whole.graph, plan, where, arguments, lambda ended: None)
    print(report(standing), end="", flush=True)
    if stopped:
        raise KeyboardInterrupt
    reasons = {row: _missing(standing, keys) for row, keys in whole.row.items()}
    return {row: reason for row, reason in reasons.items() if reason}


def _missing(standing: Standing, keys: Collection[str]) -> str:
    """Return which of ``keys`` failed and why; empty if all are made."""
    return "; ".join(f"{key}: {standing.failed[key]}" for key in keys if key in standing.failed)


@contextmanager
def _committed(root: Path, texts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield a commit for each row, HEAD with these params, for workers to fetch while the block runs.

    The working tree and its index stay as they are. The same row is the same commit another time.
    """
    head = git(root, "rev-parse", "HEAD").strip()
    refs = {row: f"{_REFS}/{hashlib.sha256(text.encode()).hexdigest()}" for row, text in texts.items()}
    stream = "".join(
        f"commit {refs[row]}\ncommitter erkt <erkt> 0 +0000\ndata 0\nfrom {head}\n"
        f"M 100644 inline {paths.PARAMS}\ndata {len(text.encode())}\n{text}\n"
        for row, text in texts.items()
    )
    git(root, "fast-import", "--quiet", "--force", "--date-format=raw", given=stream)
    try:
        yield {row: git(root, "rev-parse", ref).strip() for row, ref in refs.items()}
    finally:
        listed = git(root, "for-each-ref", "--format=delete %(refname)", _REFS)  # killed runs' too
        git(root, "update-ref", "--stdin", given=listed)
