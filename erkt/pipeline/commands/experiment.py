"""Run an experiment of experiments/*.yaml: each row of its table is one dvc exp run, one after the other.

Rows that have run with the same params and code are skipped, so an experiment that was stopped goes on where
it was. A row that fails is named, and the others run. The working tree stays as it is: rows run in folders of
their own, with DVC's cache and this repository's in-flight state. The tables go to results/<preset>/.

With --fleet the cells of all rows are made first, many at once as by erkt fleet, and what rows share once.
Then dvc exp run finds everything made.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.inflight import states
from erkt.params.schema import nearest
from erkt.pipeline import paths
from erkt.pipeline.cells import all_cells
from erkt.pipeline.committed import require_commit, require_committed
from erkt.pipeline.dvc_repository import without_lost
from erkt.pipeline.experiments.definition import Experiment, find_experiment
from erkt.pipeline.experiments.launch import run_params
from erkt.pipeline.experiments.page import page_path
from erkt.pipeline.experiments.runs import Run, find_runs, finished
from erkt.pipeline.experiments.tables import make_table
from erkt.pipeline.fleet import place
from erkt.pipeline.git import check_whole


def arguments(parser: ArgumentParser) -> None:
    """Add the experiment, its presets, and the choice of a quick run."""
    parser.add_argument("name", help="a file of experiments/, without .yaml")
    parser.add_argument(
        "--preset", action="append", help="a file of presets/, without .yaml; else the experiment's"
    )
    parser.add_argument("--row", action="append", help="a row to run, may be repeated; else all")
    parser.add_argument(
        "--seed", action="append", type=int, help="a seed to run, may be repeated; else the experiment's"
    )
    parser.add_argument("--quick", action="store_true", help="few epochs and one seed, to see that it works")
    parser.add_argument("--fleet", action="store_true", help="make the cells as erkt fleet does; it takes:")
    place.arguments(parser)


def run(options: Namespace) -> int:
    """Run what has not run yet and make the tables; return 1 if a row failed."""
    where = place.asked(options)
    experiment, quick = find_experiment(options.name), options.quick
    presets = options.preset or experiment.presets
    for what, asked, known in (
        ("row", options.row, experiment.rows),
        ("seed", options.seed, experiment.seeds),
    ):
        for one in asked or ():
            if one not in known:
                raise ErktError(
                    f"experiment {experiment.name}: no {what} '{one}'{nearest(str(one), map(str, known))}"
                )
    wanted = {}
    for preset in presets:
        for row in options.row or experiment.rows:
            params = experiment.params(preset, row, quick=quick)
            params["seeds"] = options.seed or params["seeds"]
            wanted[experiment.run_name(preset, row, params)] = params
    check_whole(Path.cwd())
    commit = require_committed(Path.cwd())
    taken = "another experiment runs in this repository; wait for its end"
    with states.only_one(paths.RUNNING / "experiment.lock", taken):
        last = experiment.last_stages
        missing = _missing(wanted, last, where) if where else {}
        whole = {name: params for name, params in wanted.items() if name not in missing}
        with without_lost():  # else each row would make again what another machine has made
            failed = [name for name, params in whole.items() if not _has_run(name, params, last, commit)]
    for name in failed:
        print(f"error: {name}: failed; its messages are above", file=sys.stderr)
    for name, why in missing.items():
        print(f"error: {name}: {why}", file=sys.stderr)
    runs = find_runs()
    wrong = [preset for preset in presets if not _told(experiment, preset, runs, quick=quick)]
    return 1 if failed or missing or wrong else 0


def _told(experiment: Experiment, preset: str, runs: Sequence[Run], *, quick: bool) -> bool:
    """Write a preset's table and print its path; False if ``runs`` do not go together, which it says."""
    path = page_path(experiment.name, preset, quick=quick)
    try:
        if make_table(experiment, preset, runs, quick=quick):
            print(path)
    except ErktError as error:  # the runs are kept, and tables of other presets may be right
        print(f"error: {path}: {error}", file=sys.stderr)
        return False
    return True


def _missing(
    wanted: Mapping[str, Mapping[str, Any]], last_stages: Collection[str], where: place.Where
) -> dict[str, str]:
    """Have the cells of those rows made elsewhere that have not run; return why some are not whole."""
    from erkt.pipeline.fleet.rows import make_rows  # not on every system

    runs = find_runs()
    left = {name: params for name, params in wanted.items() if finished(runs, params, last_stages) is None}
    return make_rows(left, last_stages, where) if left else {}


def _has_run(name: str, params: Mapping[str, Any], last_stages: Collection[str], commit: str) -> bool:
    """Run a row unless it has run; return whether it has then.

    Raises ErktError if what lies here is no longer ``commit``: DVC would run what does.
    """
    require_commit(commit)
    before = finished(find_runs(), params, last_stages)
    targets = [cell.name for cell in all_cells(params) if cell.stage in last_stages]
    print(f"{name}: {'has run' if before else 'running'}", flush=True)
    try:
        if before is not None:
            return True
        return run_params(name, params, targets) and finished(find_runs(), params, last_stages) is not None
    except ErktError as error:
        print(f"error: {name}: {error}", file=sys.stderr)
        return False
