"""What a finished cell is known by, read from the files that git and DVC keep: the same as its live run told."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files import read_json, read_records
from erkt.tracking_commit import Record
from stages import declared, paths
from stages.cells import Cell

Metrics = list[tuple[Mapping[str, float], int | None]]


def check_present(cells: Sequence[Cell]) -> None:
    """Raise ErktError naming the first of ``cells`` with an output that is missing."""
    for cell in cells:
        for path in declared.outputs(cell.stage, cell.coordinates):
            if not path.exists():
                raise ErktError(
                    f"{cell.name}: {path} is missing; run dvc pull, or dvc repro if nobody pushed it"
                )


def stage_record(cell: Cell, params: Mapping[str, Any]) -> Record:
    """Return what the run of ``cell`` holds; raise ErktError if its metrics have another key than its inputs."""
    key = declared.stage_key(cell.stage, cell.coordinates, params)
    listed = declared.stage_entry(cell.stage, cell.coordinates)["params"]
    metrics, files = _contents(cell, key)
    own = {name: declared.look_up(params, name) for name in listed}
    return Record(cell.name, key, own, metrics, [(file, "") for file in files])


def whole_record(name: str, commit: str, cells: Sequence[Cell], params: Mapping[str, Any]) -> Record:
    """Return what the run of a commit holds: all params, the summary's numbers, every table and picture."""
    outputs = [path for cell in cells for path in declared.outputs(cell.stage, cell.coordinates)]
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


def _contents(cell: Cell, key: str) -> tuple[Metrics, list[Path]]:
    label = cell.label
    match cell.stage:
        case "train_teacher":
            return _curve(paths.curves(label)), [paths.curves(label)]
        case "distill":
            return _curve(paths.curves(f"{label}-student")), [paths.curves(f"{label}-student")]
        case "search_weights":
            return [], [paths.sweep(label)]
        case "measure" | "stress" | "evaluate_teacher":
            return _records(cell, key), [paths.metrics(cell.stage, label)]
        case "evaluate":
            return _records(cell, key), [paths.metrics(cell.stage, label), paths.confusion(label)]
        case "summarize":
            return [], [paths.SUMMARY]
        case _:
            return [], []


def _curve(path: Path) -> Metrics:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]
        return [epoch_numbers(row) for row in rows]
    except (OSError, UnicodeDecodeError, ValueError, TypeError, KeyError) as error:
        raise ErktError(f"{path}: not readable as a curve ({error}); run dvc repro") from None


def _records(cell: Cell, key: str) -> Metrics:
    path = paths.metrics(cell.stage, cell.label)
    rows = read_records(path)
    for row in rows:
        if row.get("key") != key:
            raise ErktError(
                f"{path} has the key {str(row.get('key'))[:10]}, but {cell.name} has {key[:10]} now: it belongs "
                f"to other inputs; run dvc repro --force --single-item {cell.name}"
            )
    return [(record_numbers(rows), None)]


def _numbers(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _numbers(item, f"{prefix}{name}.")
        elif isinstance(item, (int, float)):
            yield f"{prefix}{name}", float(item)
