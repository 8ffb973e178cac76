"""Make the cells of the pipeline on many machines at once, or in several processes of this one.

    erkt fleet repro --workers 4
    erkt fleet repro --address 10.0.0.1:6379

It ends where dvc repro would: same dvc.lock, same metrics. --workers starts Ray here for this one command;
--address joins a cluster that ray start has made. The commit that is checked out is what runs. A worker that
is lost costs nothing but time, a cell that fails stops only what needs it, and the same command goes on.
"""

import os
import re
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from filelock import FileLock, Timeout

from erkt.errors import ErktError
from erkt.machine.cluster import Needs
from erkt.params.schema import nearest
from erkt.pipeline import paths
from erkt.pipeline.cells import pipeline
from erkt.pipeline.fleet.display import report
from erkt.pipeline.fleet.graph import cells_to_make
from erkt.pipeline.fleet.head import Where, bring_home, make
from erkt.pipeline.fleet.plan import Options, planned
from erkt.pipeline.params_file import read_params

_NEED = re.compile(r"(\w+)=(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?")


def arguments(parser: ArgumentParser) -> None:
    """Add what to make, where, and what a cell takes."""
    parser.add_argument("action", choices=["repro"], help="repro: make what is not up to date")
    parser.add_argument("targets", nargs="*", help="cells or stages, as for dvc repro; default: all")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--workers", type=int, help="cells at once on this machine; default: one a core")
    place.add_argument("--address", help="HOST:PORT of a cluster's head; default: RAY_ADDRESS, if set")
    parser.add_argument("--cpus", type=float, default=1.0, help="cores that a cell takes; default: 1")
    parser.add_argument("--gpus", type=float, help="cards, or a share of one; default: 1 where there are any")
    parser.add_argument(
        "--need", action="append", default=[], metavar="STAGE=CPUS[,GPUS]", help="what cells of a stage take"
    )
    parser.add_argument("--source", help="where workers fetch the commit; default: this folder")
    parser.add_argument("--clones", help="folder for workers' clones; default: .dvc/tmp/fleet")
    parser.add_argument(
        "--remote",
        action="store_true",
        help="no shared file system: share by DVC's default remote",
    )


def run(options: Namespace) -> int:
    """Make the cells; 1 if one failed, 130 if stopped."""
    where = _where(options)
    read_params(paths.PARAMS)
    paths.RUNNING.mkdir(parents=True, exist_ok=True)
    try:
        with (
            FileLock(paths.RUNNING / "fleet.lock", timeout=0),
            planned(Path.cwd(), Options(options.source, options.clones, options.remote)) as plan,
        ):
            graph = cells_to_make(options.targets)
            if not graph:
                print("all cells are up to date")
                return 0
            standing, stopped = make(graph, plan, where)
            try:
                ran_here = [] if stopped else bring_home(standing, options.targets, remote=options.remote)
            finally:
                print(report(standing), end="", flush=True)
    except Timeout:
        raise ErktError("another erkt fleet runs in this repository; wait for its end") from None
    if stopped:
        print("stopped; what is done is kept, and the same command goes on", file=sys.stderr)
        return 130
    if ran_here:
        print(f"not found in the cache, and made here again: {', '.join(ran_here)}", file=sys.stderr)
    for name, why in standing.failed.items():
        print(f"error: {name}: {why}", file=sys.stderr)
    return 1 if standing.failed else 0


def _where(options: Namespace) -> Where:
    address = options.address or (os.environ.get("RAY_ADDRESS") if options.workers is None else None)
    workers = len(os.sched_getaffinity(0)) if options.workers is None else options.workers
    for name, value, least in (("workers", workers, 1), ("cpus", options.cpus, 0), ("gpus", options.gpus, 0)):
        if value is not None and value < least:
            raise ErktError(f"--{name} {value:g}: expected {least} or more")
    known, stages = pipeline(), {}
    for need in options.need:
        match = _NEED.fullmatch(need)
        if match is None:
            raise ErktError(f"--need {need}: expected STAGE=CPUS or STAGE=CPUS,GPUS, as distill=2,0.5")
        if match[1] not in known:
            raise ErktError(f"--need {need}: dvc.yaml has no stage '{match[1]}'{nearest(match[1], known)}")
        stages[match[1]] = Needs(float(match[2]), float(match[3] or 0))
    return Where(address, workers, options.cpus, options.gpus, stages)
