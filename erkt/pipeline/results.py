"""What a finished cell is known by, read from its files: the same as its live run told."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.digests import Sha256
from erkt.files.json_file import read_json, read_records
from erkt.files.table_file import read_table
from erkt.pipeline import paths
from erkt.pipeline.cells import Cell, look_up
from erkt.pipeline.inputs import inputs_digest
from erkt.pipeline.tracking_commit import Record

Metrics = list[tuple[Mapping[str, float], int | None]]


def check_present(cells: Sequence[Cell]) -> None:
    """Raise ErktError naming the first of ``cells`` with an output that is missing."""
    for cell in cells:
        for path in cell.outputs():
            if not path.exists():
                raise ErktError(
                    f"{cell.name}: {path} is missing; run dvc pull, or dvc repro if nobody pushed it"
                )


def stage_record(cell: Cell, params: Mapping[str, Any]) -> Record:
    """Return what the run of ``cell`` holds; raise ErktError if its metrics belong to other inputs."""
    inputs = inputs_digest(cell, params)
    metrics, files = _contents(cell, inputs)
    own = {name: look_up(params, name) for name in cell.entry()["params"]}
    return Record(cell.name, inputs, own, metrics, [(file, "") for file in files])


def whole_record(name: str, commit: str, cells: Sequence[Cell], params: Mapping[str, Any]) -> Record:
    """Return what the run of a commit holds: all params, the summary's numbers, every table and picture."""
    outputs = [path for cell in cells for path in cell.outputs()]
    shown = [path for path in outputs if path.suffix == ".png" or paths.METRICS in path.parents]
    numbers = dict(_numbers(read_json(paths.SUMMARY)))
    return Record(name, commit, params, [(numbers, None)], [(path, path.parent.as_posix()) for path in shown])


def record_numbers(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the numbers of records, with the network's name in front where there are several."""
    return {
        f"{row['network']}.{name}" if len(rows) > 1 else name: float(value)
        for row in rows
        for name, value in row.items()
        if isinstance(value, (int, float))
    }


def epoch_numbers(row: Mapping[str, float]) -> tuple[dict[str, float], int]:
    """Return the numbers of a row of a curve, and its epoch."""
    return {name: value for name, value in row.items() if name != "epoch"}, int(row["epoch"])


def _contents(cell: Cell, inputs: Sha256) -> tuple[Metrics, list[Path]]:
    """Return the numbers and files that a live run of ``cell`` tells MLflow."""
    metrics: Metrics = []
    files = []
    for path in cell.outputs():
        match path.parts[:2]:
            case ("metrics", "curves"):
                metrics = _curve(path)
            case ("metrics", cell.stage):
                metrics = _records(path, cell, inputs)
            case ("metrics", "sweep" | "summary.json"):
                pass
            case _:
                continue
        files.append(path)
    return metrics, files


def _curve(path: Path) -> Metrics:
    try:
        rows = [{name: float(text) for name, text in row.items()} for row in read_table(path)]
    except ValueError as error:
        raise ErktError(f"{path}: not a curve ({error})") from None
    return [epoch_numbers(row) for row in rows]


def _records(path: Path, cell: Cell, inputs: Sha256) -> Metrics:
    rows = read_records(path)
    for row in rows:
        found = str(row.get("inputs"))
        if found != inputs:
            raise ErktError(
                f"{path} belongs to the inputs {found[:10]}, but {cell.name} has {inputs[:10]} now; run "
                f"dvc repro --force --single-item {cell.name}"
            )
    return [(record_numbers(rows), None)]


def _numbers(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _numbers(item, f"{prefix}{name}.")
        elif isinstance(item, (int, float)):
            yield f"{prefix}{name}", float(item)
