"""Check a labelled tree before anyone trains on it: what is in it, what is wrong, what is there twice.

Status 0 says fit, 1 not fit. Not fit are: no archive or folder of class folders; files that cannot be used
(unreadable ones only where prepare.undecodable is refuse); fewer than two classes; a class with no readable
image or a single one; equal pixels in two classes. With --splits also: test or validation images with equal
pixels in an earlier part, and lists that do not belong to the tree. Only warned of are: repeated images, near
duplicates, classes of very different size, images that are enlarged or not square.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from erkt.data.check import cautions, inspect, problems
from erkt.data.lists import read_list
from erkt.data.report import text
from erkt.files.json_file import write_json
from erkt.params.prepare import Prepare
from erkt.params.schema import build
from erkt.pipeline.params_file import read_params
from erkt.pipeline.paths import PARAMS
from erkt.progress import Progress


def arguments(parser: ArgumentParser) -> None:
    """Add what to check, and against which split."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = commands.add_parser(
        "check", help="ACTION --help says more", description=__doc__, allow_abbrev=False
    )
    check.add_argument("path", type=Path, help="a folder with one folder a class, or a zip or tar of it")
    check.add_argument(
        "--splits",
        type=Path,
        metavar="FOLDER",
        help="lists of a split, such as data/splits/0: look for twins",
    )
    check.add_argument(
        "--params",
        type=Path,
        default=PARAMS,
        metavar="FILE",
        help="its section prepare (default: params.yaml)",
    )
    check.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")


def run(options: Namespace) -> int:
    """Print the report; 0 if the tree is fit, 1 if it is not."""
    settings = build(Prepare, read_params(options.params)["prepare"], "prepare")
    names = ("train", "val", "test") if options.splits else ()
    parts = {part: read_list(options.splits / f"{part}.txt") for part in names}
    with Progress(None, label="check", unit="images") as progress:
        facts = inspect(options.path, settings, parts, lambda done, _: progress.update(done))
    unfit = problems(facts)
    if options.json:
        write_json(
            options.json, {"fit": not unfit, "problems": unfit, "warnings": cautions(facts), **asdict(facts)}
        )
    print(text(facts))
    return 1 if unfit else 0
