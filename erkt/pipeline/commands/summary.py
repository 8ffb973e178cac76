"""Print the result table of the last run, from metrics/summary.json."""

import sys
from argparse import ArgumentParser, Namespace

from erkt.errors import ErktError
from erkt.evaluation.summary import table
from erkt.files.json_file import read_json
from erkt.pipeline import paths
from erkt.pipeline.cells import cells_up_to
from erkt.pipeline.lock import read_cells
from erkt.pipeline.params_file import read_params
from erkt.pipeline.recorded import ran_with


def arguments(parser: ArgumentParser) -> None:
    """Take no arguments."""


def run(options: Namespace) -> int:
    """Print the table, and on stderr whether params have changed since it was made."""
    print(table(read_json(paths.SUMMARY)))
    params = read_params(paths.PARAMS)
    if not ran_with(params, *cells_up_to(params, ["summarize"])):
        try:
            used = read_cells(paths.LOCK)["summarize"]["params"][str(paths.PARAMS)]
            name = f" is of '{used['dataset.name']}'"
        except (ErktError, KeyError, TypeError):
            name = ""
        print(f"this table{name}: params.yaml has changed since; run dvc repro", file=sys.stderr)
    return 0
