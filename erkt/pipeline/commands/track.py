"""Give the commit that is checked out its runs in MLflow, from the files that it holds.

One run for each stage, also for those that DVC skipped or restored, and a parent that refers to them. Runs
that the stages themselves left are used. Twice in a row changes nothing. The store is MLFLOW_TRACKING_URI, or
mlflow.db here; the experiment is tracking.experiment of params.yaml, whatever tracking.enabled says. For an
older commit, check it out, run dvc checkout, and then this.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from erkt.pipeline import paths, tracking_commit
from erkt.pipeline.cells import all_cells
from erkt.pipeline.dvc_repository import check_recorded
from erkt.pipeline.git import read_clean
from erkt.pipeline.params_file import read_params
from erkt.pipeline.results import check_present, stage_record, whole_record
from erkt.tracking import mlflow_store

_NAME_LENGTH = 200  # MLflow's column holds 250


def arguments(parser: ArgumentParser) -> None:
    """Take no arguments."""


def run(options: Namespace) -> int:
    """Check that everything belongs to the commit, then make what its runs lack."""
    head = read_clean(Path.cwd())
    params = read_params(paths.PARAMS)
    cells = all_cells(params)
    check_present(cells)
    check_recorded()
    stages = [stage_record(cell, params) for cell in cells]
    name = f"{head.commit[:10]} {head.subject}"[:_NAME_LENGTH]
    whole = whole_record(name, head.commit, cells, params)
    store, experiment = mlflow_store.address(Path.cwd(), os.environ), params["tracking"]["experiment"]
    tracked = tracking_commit.track_commit(store, experiment, head, stages, whole)
    for stage in tracked.made:
        print(f"{stage}: run made from files")
    print(f"{name}: run {tracked.run_id} refers to {len(stages)} stage runs, {len(tracked.made)} made now")
    print(f"experiment {experiment} in {mlflow_store.masked(store)}")
    return 0
