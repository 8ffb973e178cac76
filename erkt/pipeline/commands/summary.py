"""Print the result table of the last run, from metrics/summary.json."""

import sys
from argparse import ArgumentParser, Namespace

from erkt.errors import ErktError
from erkt.evaluation.summary import table
from erkt.files.json_file import read_json
from erkt.files.yaml_file import read_yaml
from erkt.pipeline import paths
from erkt.pipeline.cells import look_up
from erkt.pipeline.params_file import read_params


def arguments(parser: ArgumentParser) -> None:
    """Take no arguments."""


def run(options: Namespace) -> int:
    """Print the table, and on stderr whether params have changed since it was made."""
    print(table(read_json(paths.SUMMARY)))
    params = read_params(paths.PARAMS)
    try:
        recorded = dict(read_yaml(paths.LOCK)["stages"]["summarize"]["params"][paths.PARAMS.as_posix()])
    except (ErktError, KeyError, TypeError):
        return 0  # nothing was recorded, so nothing can differ
    if any(look_up(params, key) != value for key, value in recorded.items()):
        name = recorded.get("dataset.name")
        print(f"this table is of '{name}': params.yaml has changed since; run dvc repro", file=sys.stderr)
    return 0
