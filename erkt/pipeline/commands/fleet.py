"""Make the cells of the pipeline on many machines at once, or in several processes of this one.

    erkt fleet repro --workers 4
    erkt fleet repro --address 10.0.0.1:6379

It ends where dvc repro would: same dvc.lock, same metrics. --workers starts Ray here for this one command;
--address joins a cluster that ray start has made. The commit that is checked out is what runs. A worker that
is lost costs nothing but time, a cell that fails stops only what needs it, and the same command goes on.
"""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from erkt.pipeline import paths
from erkt.pipeline.committed import require_commit
from erkt.pipeline.fleet import place
from erkt.pipeline.fleet.display import report
from erkt.pipeline.fleet.graph import cells_to_make
from erkt.pipeline.fleet.head import bring_home, keep_sidecar, make
from erkt.pipeline.fleet.plan import Options, alone, planned
from erkt.pipeline.params_file import read_params


def arguments(parser: ArgumentParser) -> None:
    """Add what to make, where, and what a cell takes."""
    parser.add_argument("action", choices=["repro"], help="repro: make what is not up to date")
    parser.add_argument("targets", nargs="*", help="cells or stages, as for dvc repro; default: all")
    place.arguments(parser)
    parser.add_argument("--source", help="where workers fetch the commit; default: this folder")
    parser.add_argument(
        "--remote",
        action="store_true",
        help="no shared file system: share by DVC's default remote",
    )


def run(options: Namespace) -> int:
    """Make the cells; 1 if one failed, 130 if stopped."""
    where = place.where(options)
    read_params(paths.PARAMS)
    place_of_work = Options(options.source, where.clones, options.remote)
    with (
        alone(),
        planned(Path.cwd(), place_of_work, paths.PARAMS.read_text(encoding="utf-8")) as plan,
    ):
        graph = cells_to_make(options.targets)
        if not graph:
            print("all cells are up to date")
            return 0
        standing, stopped = make(graph, plan, where, lambda cell: (plan, cell), keep_sidecar)
        try:
            if not stopped:
                require_commit(plan["commit"])
            ran_here = [] if stopped else bring_home(standing, options.targets, remote=options.remote)
        finally:
            print(report(standing), end="", flush=True)
    if stopped:
        print("stopped; what is done is kept, and the same command goes on", file=sys.stderr)
        return 130
    if ran_here:
        print(f"not found in the cache, and made here again: {', '.join(ran_here)}", file=sys.stderr)
    for name, why in standing.failed.items():
        print(f"error: {name}: {why}", file=sys.stderr)
    return 1 if standing.failed else 0
