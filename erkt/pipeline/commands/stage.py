"""Run one cell of a stage, as dvc.yaml has it: what dvc repro calls."""

import gc
import importlib
import re
import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from pathlib import Path

from erkt.errors import ErktError
from erkt.params.schema import nearest
from erkt.pipeline.cells import Cell, pipeline


def arguments(parser: ArgumentParser) -> None:
    """Add the stage; its coordinates follow, as ``--seed 0 --teacher resnet``."""
    parser.add_argument("stage", help="a stage of dvc.yaml")
    parser.add_argument(
        "coordinates", nargs=REMAINDER, metavar="--AXIS VALUE", help="each axis of its matrix"
    )


def run(options: Namespace) -> int:
    """Import the stage's script and run it."""
    # Importing torch, timm and MLflow makes very many objects, nearly all of which stay. Going through them
    # again and again takes a third of a short stage's time, so the garbage collector rests until the stage
    # works.
    gc.disable()
    from erkt.pipeline.run import run as run_stage

    cell = _cell(options.stage, options.coordinates)
    sys.path.insert(0, str(Path.cwd()))  # a console script does not look there
    return run_stage(importlib.import_module(f"stages.{cell.stage}").STAGE, cell)


def _cell(stage: str, words: list[str]) -> Cell:
    """Return the cell that the words after the stage's name describe; ErktError if it has other axes."""
    known = pipeline()
    if stage not in known:
        raise ErktError(f"dvc.yaml has no stage '{stage}'{nearest(stage, known)}")
    axes = list(known[stage].get("matrix", {}))
    given = dict(zip(words[::2], words[1::2], strict=False))
    if list(given) != [f"--{axis}" for axis in axes] or len(words) != 2 * len(axes):
        expected = " ".join(f"--{axis} {axis.upper()}" for axis in axes) or "no coordinates"
        raise ErktError(f"stage {stage}: expected {expected}, found {' '.join(words) or 'nothing'}")
    for axis in {"seed", "block"} & set(axes):
        if not re.fullmatch("0|[1-9][0-9]*", given[f"--{axis}"]):  # one spelling: cells are locked by name
            raise ErktError(
                f"stage {stage}: --{axis} {given[f'--{axis}']}: expected a whole number, 0 or more, without "
                "leading zeros"
            )
    return Cell(stage, {axis: given[f"--{axis}"] for axis in axes})
