"""Print the result table of the last run, from metrics/summary.json."""

from argparse import ArgumentParser, Namespace

from erkt.evaluation.summary import table
from erkt.files.json_file import read_json
from erkt.pipeline.paths import SUMMARY


def arguments(parser: ArgumentParser) -> None:
    """Take no arguments."""


def run(options: Namespace) -> int:
    """Print the table."""
    print(table(read_json(SUMMARY)))
    return 0
