"""Check parameter files in full, without running anything."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from erkt.errors import ErktError
from erkt.pipeline.networks_at_start import unfit
from erkt.pipeline.params_file import check_params, read_params
from erkt.pipeline.paths import PARAMS


def arguments(parser: ArgumentParser) -> None:
    """Add the files to check."""
    parser.add_argument("files", nargs="*", type=Path, default=[PARAMS], help="default: params.yaml")


def run(options: Namespace) -> int:
    """Check each file; name what is wrong with each and return 1 if anything is."""
    wrong = 0
    for file in options.files:
        try:
            params = read_params(file)
            for place, reason in unfit(check_params(params, str(file))):
                raise ErktError(f"{file}: {place}: {reason}")
        except ErktError as error:
            print(f"error: {error}", file=sys.stderr)
            wrong = 1
            continue
        split = params["split"]
        unlabelled = f", {split['unlabelled_percent']} % unlabelled" if split["unlabelled_percent"] else ""
        unlabelled += ", more images without a class" if params["dataset"]["unlabelled"] else ""
        percent = split["train_percent"]
        ratio = "the published split" if percent is None else f"TR {percent} %"
        print(f"{file}: {params['dataset']['name']}, {ratio}{unlabelled}, fine")
    return wrong
