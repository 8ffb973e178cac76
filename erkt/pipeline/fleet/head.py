"""What the head does: join a cluster, have cells made in their order, and take home what they made."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from erkt.errors import ErktError
from erkt.files.replace import write_text
from erkt.inflight import stopping
from erkt.machine import ray_cluster
from erkt.machine.cluster import Ended, Needs
from erkt.pipeline import paths
from erkt.pipeline.cells import all_cells
from erkt.pipeline.dvc_repository import forget_lost
from erkt.pipeline.fleet import worker
from erkt.pipeline.fleet.display import displayed
from erkt.pipeline.fleet.making import Standing, make_all
from erkt.pipeline.fleet.place import Where
from erkt.pipeline.params_file import read_params
from erkt.pipeline.tidy import remove_strays

_SKEW_SECONDS = 60
_RUNNING = re.compile(r"^Running stage '([^']+)'", flags=re.MULTILINE)


def make(
    graph: Mapping[str, Collection[str]],
    plan: Mapping[str, Any],
    where: Where,
    arguments: Callable[[str], tuple[Mapping[str, Any], str]],
    kept: Callable[[Ended], None],
) -> tuple[Standing, bool]:
    """Make the cells of ``graph`` on the cluster; return how they ended, and whether it was stopped.

    Machines are checked against ``plan``. Each cell is made as ``arguments`` says: by which plan, and under
    which name there. ``kept`` gets each that ended well. Raises ErktError if there is no cluster, if one of
    its machines cannot make cells of this plan, or if it is lost.
    """
    with ray_cluster.joined(where.address, where.workers) as cluster:
        ray_cluster.by_value(worker)
        with stopping.listen(patient=True) as stop, displayed() as display:
            _check_machines(cluster, plan, lambda: stop.requested)
            standing = make_all(
                graph,
                cluster,
                _needs(cluster, where, graph),
                worker.make,
                arguments,
                show=display.show,
                kept=kept,
                leave=lambda: stop.requested,
            )
        return standing, stop.requested


def bring_home(standing: Standing, targets: Sequence[str], *, remote: bool) -> list[str]:
    """Have DVC here put in place what was made; return the cells that it had to run for that.

    There are none unless the cache has lost something. Raises ErktError if DVC fails.
    """
    wanted = standing.made if standing.failed else targets
    if standing.failed and not wanted:
        return []
    forget_lost(wanted, remote=remote)
    params = read_params(paths.PARAMS)
    for path in remove_strays(params, [cell for cell in all_cells(params) if cell.name in standing.made]):
        print(f"removing {path}: params no longer name it", file=sys.stderr)
    command = [sys.executable, "-m", "dvc", "repro", *(["--pull"] if remote else []), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ErktError(f"all that was made is kept, but dvc repro here fails: {lines[-1] if lines else ''}")
    return _RUNNING.findall(done.stdout)


def keep_sidecar(ended: Ended) -> None:
    """Write a cell's sidecar, which no stage declares, so that it does not come back by DVC.

    It holds timings alone, so one that cannot be written is said and does not end the run.
    """
    if ended.value["sidecar"] is not None:
        try:
            write_text(paths.environment(ended.key), ended.value["sidecar"])
        except ErktError as error:
            print(f"{ended.key}: no timings kept: {error}", file=sys.stderr)


def _check_machines(
    cluster: ray_cluster.RayCluster, plan: Mapping[str, Any], leave: Callable[[], bool]
) -> None:
    """Raise ErktError naming the first machine that cannot make cells; say whose clock is wrong."""
    asked = time.time()
    for ended in cluster.everywhere(worker.check, plan, leave=leave):
        if ended.error is not None:
            raise ErktError(f"{ended.key}: {ended.error}")
        clock = ended.value["clock"]
        off = max(asked - clock, clock - time.time())
        if off > _SKEW_SECONDS:
            print(f"{ended.key}: its clock is {off:.0f} s off; times there mislead", file=sys.stderr)
        if ended.value["machine"] != os.uname().machine:
            print(
                f"{ended.key}: another kind of processor ({ended.value['machine']}); results round otherwise",
                file=sys.stderr,
            )


def _needs(
    cluster: ray_cluster.RayCluster, where: Where, graph: Mapping[str, Collection[str]]
) -> Callable[[str], Needs]:
    """Return what each cell takes, and say if no machine has as much now.

    Raises ErktError if none can come.
    """
    machines = cluster.nodes().values()
    gpus = where.gpus
    if gpus is None:
        gpus = 1.0 if any(machine.get("GPU") for machine in machines) else 0.0
    usual = Needs(where.cpus, gpus)

    def needs(cell: str) -> Needs:
        stage = cell.partition(" of ")[0].partition("@")[0]  # "prepare of ROW", where rows are made together
        if stage not in where.stages:
            return usual
        cpus, cards = where.stages[stage]
        return Needs(cpus, usual.gpus if cards is None else cards)

    for one in {needs(cell) for cell in graph}:
        if not any(m.get("CPU", 0) >= one.cpus and m.get("GPU", 0) >= one.gpus for m in machines):
            lacking = f"no machine has {one.cpus:g} cores and {one.gpus:g} cards for a cell"
            if where.address is None:  # nobody can join
                raise ErktError(f"{lacking}: --workers says how many cores this one gives")
            print(f"{lacking} yet; waiting for one", file=sys.stderr)
    return needs
