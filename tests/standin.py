"""A stage that makes its outputs up in no time: the same bytes for the same inputs, others for others.

A clone of ``tracked.Checkout`` has this file as the script of every stage. All else is real there: dvc.yaml,
the cells, what each declares, and how a stage is run.
"""

import json
from pathlib import Path
from typing import Any

from erkt.pipeline import paths
from erkt.pipeline.cells import Cell
from erkt.pipeline.job import Job, Stage

RECORDS = {"measure", "stress", "evaluate", "evaluate_teacher"}


def make(cell: Cell, inputs: str) -> None:
    """Write every output of ``cell``, whose inputs have this digest; folders get one file."""
    for path in cell.outputs():
        file = path if path.suffix else path / "manifest.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_content(file, cell, inputs), encoding="utf-8")


def _content(file: Path, cell: Cell, inputs: str) -> str:
    oa = int(inputs[:4], 16) / 1024
    if file == paths.SUMMARY:
        return json.dumps({"student": {"oa": {"mean": oa, "std": None, "runs": 1}}, "gap": {"mean": 1.75}})
    if cell.stage in RECORDS and file.suffix == ".json":
        row: dict[str, Any] = {"stage": cell.name, "inputs": inputs, "network": "student", "oa": oa}
        return json.dumps([row, row | {"network": "ensemble"}] if cell.stage == "evaluate" else [row])
    if file.parent.name == "curves":
        return f"epoch,loss,val_oa\n1,2.46352,{oa}\n2,1.25,81.25\n"
    return f"{cell.name} made this from {inputs}"


def main(job: Job) -> str:
    """Make the cell's outputs."""
    make(job.cell, job.inputs)
    return "made up"


STAGE = Stage(main)
