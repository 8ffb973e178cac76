"""Run an experiment of experiments/*.yaml: each row of its table is one dvc exp run, one after the other.

Rows that have run with the same params and code are skipped, so an experiment that was stopped goes on where it
was. A row that fails is named, and the others run. The working tree stays as it is: rows run in folders of their
own, with DVC's cache and this repository's in-flight state. The tables go to results/<preset>/.
"""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from erkt.errors import ErktError
from erkt.inflight import stopping
from erkt.pipeline import paths, revision
from erkt.pipeline.experiments.catalogue import checked_params, find_plan, finished, name_of
from erkt.pipeline.experiments.history import CODE, find_runs
from erkt.pipeline.experiments.overrides import overrides
from erkt.pipeline.experiments.report import make_table, table_path
from erkt.pipeline.params_file import read_params

_GRACE_SECONDS = 30  # for a stage to keep what it has


def arguments(parser: ArgumentParser) -> None:
    """Add the experiment, its presets, and the choice of a quick run."""
    parser.add_argument("name", help="a file of experiments/, without .yaml")
    parser.add_argument(
        "--preset", action="append", help="a file of presets/, without .yaml; else the paper's"
    )
    parser.add_argument("--quick", action="store_true", help="few epochs and seeds, to see that it works")


def run(options: Namespace) -> int:
    """Run what has not run yet and make the tables; return 1 if a row failed."""
    plan = find_plan(options.name)
    presets = options.preset or plan.presets
    if not presets:
        raise ErktError(
            f"experiment {options.name} belongs to no preset of the paper; give one: --preset NAME"
        )
    wanted = [
        (preset, row, checked_params(options.name, plan, preset, row, quick=options.quick))
        for preset in presets
        for row in plan.rows
    ]
    # What runs make may differ, as after make demo on another machine: no row takes numbers from there.
    revision.check_committed(Path.cwd(), [paths.RESULTS, paths.METRICS, paths.LOCK], CODE)
    paths.RUNNING.mkdir(parents=True, exist_ok=True)
    failed = []
    try:
        with FileLock(paths.RUNNING / "experiment.lock", timeout=0):
            for preset, row, params in wanted:
                before = finished(find_runs(), params)
                name = name_of(options.name, preset, row, params)
                print(f"{name}: {'has run' if before else 'running'}", flush=True)
                try:
                    ran = before is not None or _run(name, params)
                except ErktError as error:
                    print(f"error: {name}: {error}", file=sys.stderr)
                    ran = False
                failed += [] if ran else [name]
    except Timeout:
        raise ErktError("another experiment runs in this repository; wait for its end") from None
    for preset in presets:
        if make_table(options.name, plan, preset, find_runs(), quick=options.quick):
            print(table_path(options.name, preset, quick=options.quick))
    for name in failed:
        print(f"error: {name}: failed; its messages are above", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, params: Mapping[str, Any]) -> bool:
    """Run DVC on ``params``; return whether it went to its end. Raises KeyboardInterrupt when asked to leave."""
    words = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name]
    for override in overrides(read_params(paths.PARAMS), params):
        words += ["--set-param", override]
    # DVC ends with this process, however that ends, and its stage with DVC.
    own = None if sys.platform == "win32" else stopping.die_with_parent
    listening = stopping.listen(patient=True)
    with listening as stop, subprocess.Popen(words, preexec_fn=own) as dvc:  # noqa: PLW1509  # no threads here
        waited = 0
        while dvc.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                dvc.wait(1)
            waited += stop.requested  # Ctrl-C has reached DVC and its stage as well
            if waited > _GRACE_SECONDS:
                dvc.terminate()
    if stop.requested:
        raise KeyboardInterrupt
    return dvc.returncode == 0 and finished(find_runs(), params) is not None
