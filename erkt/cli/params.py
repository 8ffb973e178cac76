"""Check parameter files in full, without running anything."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from stages.common import read_params
from stages.paths import PARAMS


def arguments(parser: ArgumentParser) -> None:
    """Add the files to check."""
    parser.add_argument("files", nargs="*", type=Path, default=[PARAMS], help="default: params.yaml")


def run(options: Namespace) -> int:
    """Check each file; the first that is wrong raises ErktError."""
    for file in options.files:
        params = read_params(file)
        print(f"{file}: {params['dataset']['name']}, TR {params['split']['train_percent']} %, fine")
    return 0
