"""Check parameter files in full, without running anything."""

import difflib
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.params.network import Network
from erkt.params.schema import build
from erkt.pipeline.params_file import read_params
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
            _check_networks(params, file)
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


def _check_networks(params: dict[str, Any], file: Path) -> None:
    """Raise ErktError for a network that timm does not have, or that does not take the images or an option.

    Stages find that out one by one, hours apart.
    """
    import timm  # seconds, which only this check needs

    from erkt.networks.creation import check

    networks = {
        f"teachers.{name}.network": teacher["network"] for name, teacher in params["teachers"].items()
    }
    for place, network in {**networks, "student": params["student"]}.items():
        name, known = network["arch"].partition(".")[0], timm.list_models()
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise ErktError(f"{file}: {place}.arch: timm has no architecture '{name}'{hint}")
        try:
            check(build(Network, network, place), params["prepare"]["side"])
        except ErktError as error:
            raise ErktError(f"{file}: {place}: {error}") from None
