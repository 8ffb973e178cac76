"""Check a labelled tree before anyone trains on it: what is in it, what is wrong, what is there twice.

Status 0 says fit, 1 not fit. Not fit are: no archive, CSV table or folder of class folders; class folders in
several places, or without an image; files that cannot be used (unreadable ones only where prepare.undecodable
is refuse); images that are near-black where prepare.stretch is null; fewer than two classes; a class with no
readable image, or with too few for the split; equal pixels in two classes; with --splits or a published split
also test or validation images with equal pixels in an earlier part or in the unlabelled one. Only warned of
are: files left out, repeated images, near duplicates, classes of very different size, images that are
enlarged or not square.

The tree is read and divided as the pipeline would, by the sections prepare, split and dataset.parts of a
params file. Without one, here and by --params, that is: side 256, filter bicubic, non_square squash,
undecodable refuse; 60 % train, of which 10 % validate.
"""

import os
from argparse import ArgumentParser, Namespace
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from erkt.data.check import inspect
from erkt.data.fitness import cautions, problems
from erkt.data.lists import read_list, read_unlabelled
from erkt.data.report import text
from erkt.data.sources import published_in
from erkt.data.sources.published import Published
from erkt.files.json_file import write_json
from erkt.machine.progress import Progress
from erkt.params.dataset import Dataset
from erkt.params.prepare import Prepare
from erkt.params.schema import build
from erkt.params.split import Split

_HERE = Path("params.yaml")
_DEFAULTS = Prepare(side=256, filter="bicubic", non_square="squash", undecodable="refuse")
_DIVISION = Split(train_percent=60, val_percent=10, group_duplicates="none", unlabelled_percent=0)


def arguments(parser: ArgumentParser) -> None:
    """Add what to check, and against which split."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = commands.add_parser(
        "check", help="ACTION --help says more", description=__doc__, allow_abbrev=False
    )
    check.add_argument(
        "path", type=Path, help="a folder of class folders, a zip or tar of it, or a CSV table"
    )
    check.add_argument(
        "--splits",
        type=Path,
        metavar="FOLDER",
        help="lists of a split, such as data/splits/0: look for twins",
    )
    check.add_argument(
        "--params", type=Path, metavar="FILE", help="how to read files (default: params.yaml, if it is here)"
    )
    check.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")


def run(options: Namespace) -> int:
    """Print the report; 0 if the tree is fit, 1 if it is not."""
    settings, division, published = _settings(options.params)
    parts = _parts(options.splits) if options.splits else {}
    with closing(Progress(None, label="check", unit="images")) as progress:
        facts = inspect(
            options.path, settings, parts, lambda done, _: progress.update(done), division, published
        )
    unfit = problems(facts)
    if options.json:
        verdict = {"fit": not unfit, "problems": unfit, "warnings": cautions(facts)}
        write_json(options.json, verdict | asdict(facts))
    print(text(facts))
    return 1 if unfit else 0


def _parts(folder: Path) -> dict[str, list[tuple[str, int]]]:
    parts = {part: read_list(folder / f"{part}.txt") for part in ("train", "val", "test")}
    unlabelled = folder / "unlabelled.txt"  # lists of one's own making need not have it
    return parts | ({"unlabelled": read_unlabelled(unlabelled)} if unlabelled.exists() else {})


def _settings(params: Path | None) -> tuple[Prepare, Split, Published | None]:
    if params is None and not _HERE.exists():
        return _DEFAULTS, _DIVISION, None
    from erkt.pipeline.params_file import read_params  # a tree can be checked where there is no pipeline

    values = read_params(params or _HERE)
    prepare, division = build(Prepare, values["prepare"], "prepare"), build(Split, values["split"], "split")
    return prepare, division, published_in(build(Dataset, values["dataset"], "dataset").parts, os.environ)
