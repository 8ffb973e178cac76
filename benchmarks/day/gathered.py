"""Table 9 as far as its networks have ended: figures with paired differences, curves, and each prediction."""

import csv
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.day.cells import CURVE, DONE, ENSEMBLE, LENGTH, SCORES, Work
from benchmarks.day.places import CURVES, PREDICTIONS, TABLE
from benchmarks.day.protocols import EXPERIMENT
from erkt.data.images import Part
from erkt.ensemble.mixing import combine
from erkt.evaluation.metrics import headline, report, softmax
from erkt.evaluation.paired import Scores, against, explained
from erkt.files.json_file import read_json, write_json
from erkt.files.replace import replace_whole
from erkt.networks.logits import Floats
from erkt.pipeline.experiments.definition import find_experiment

_COLUMNS = ("network", "seed", "epoch", "learning_rate", "loss", "cross_entropy", "distillation")


def gather(out: Path, work: Work, tests: Mapping[int, Part], facts: Mapping[str, Any]) -> None:
    """Write the table, the curves and the predictions of all networks that have ended to ``out``.

    ``tests`` are the test parts by seed.
    """
    seeds = list(tests)
    ended: list[tuple[str, int, Floats, dict[str, Any]]] = []
    for seed in seeds:
        for name in (*work.params["teachers"], *work.rows):
            folder = work.of(seed, name)
            if (folder / DONE).exists():
                kind = "student" if name in work.rows else "teacher"
                scores = np.load(folder / SCORES)
                ended.append((name, seed, scores, {"kind": kind, **read_json(folder / DONE)}))
        mixture = work.of(seed, ENSEMBLE)
        if mixture.exists():
            weights, space = read_json(mixture).values()
            members = {name: np.load(work.of(seed, name) / SCORES) for name in weights}
            mixed = combine(members, weights, space)
            figures = headline(report(mixed, tests[seed].labels, tests[seed].classes))
            ended.append(("ensemble", seed, mixed, {"kind": "ensemble", **figures, "weights": weights}))
    length = work.folder / LENGTH
    experiment = find_experiment(EXPERIMENT)
    write_json(
        out / TABLE,
        {
            "title": experiment.title,
            "labels": {row: experiment.rows[row].label for row in work.rows},
            **facts,
            "length": read_json(length) if length.exists() else None,
            "rows": _rows(ended),
            **_differences(ended, tests, list(work.rows), experiment.reference or ""),
            "networks": [{"network": name, "seed": seed, **own} for name, seed, _, own in ended],
        },
    )
    _write_curves(out / CURVES, work, seeds)
    if ended:
        _write_predictions(out / PREDICTIONS, ended, tests)


def _rows(ended: Sequence[tuple[str, int, Floats, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return mean and deviation over the seeds of each network's OA, in percent."""
    found = []
    for network in dict.fromkeys(name for name, *_ in ended):
        by_seed = {seed: own["oa"] for name, seed, _, own in ended if name == network}
        values = list(by_seed.values())
        spread = statistics.stdev(values) if len(values) > 1 else None
        by_text = {str(seed): oa for seed, oa in by_seed.items()}
        row = {"network": network, "oa": statistics.mean(values), "std": spread, "by_seed": by_text}
        found.append(row)
    return found


def _differences(
    ended: Sequence[tuple[str, int, Floats, dict[str, Any]]],
    tests: Mapping[int, Part],
    rows: Sequence[str],
    reference: str,
) -> dict[str, Any]:
    """Return each row minus the reference, on the seeds that all of them have, and what the intervals are."""
    of_row = {row: {seed: scores for name, seed, scores, _ in ended if name == row} for row in rows}
    of_row = {row: by_seed for row, by_seed in of_row.items() if by_seed}
    shared = set(tests).intersection(*of_row.values())
    if reference not in of_row or len(of_row) < 2 or not shared:
        return {"reference": reference, "differences": {}, "explained": ""}
    scores = {row: _scores(row, by_seed, sorted(shared), tests) for row, by_seed in of_row.items()}
    first = scores.pop(reference)
    found = against(first, scores)
    return {
        "reference": reference,
        "differences": {row: {"shown": one.shown(), **one.row()} for row, one in found.items()},
        "explained": explained(list(found.values())),
    }


def _scores(
    row: str, by_seed: Mapping[int, Floats], seeds: Sequence[int], tests: Mapping[int, Part]
) -> Scores:
    hits = {seed: by_seed[seed].argmax(axis=1) == tests[seed].labels for seed in seeds}
    accuracies = {seed: 100 * float(right.mean()) for seed, right in hits.items()}
    return Scores(row, accuracies, hits, {seed: tests[seed].keys for seed in seeds})


def _write_curves(path: Path, work: Work, seeds: Sequence[int]) -> None:
    with replace_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, _COLUMNS, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        for seed in seeds:
            for name in (*work.params["teachers"], *work.rows):
                curve = work.of(seed, name) / CURVE
                if not curve.exists():
                    continue
                lines = curve.read_text(encoding="utf-8").split("\n")[:-1]  # the last may be half a line
                for numbers in map(json.loads, lines):
                    shown = {
                        key: f"{value:.6g}" if isinstance(value, float) else value
                        for key, value in numbers.items()
                    }
                    table.writerow({"network": name, "seed": seed, **shown})


def _write_predictions(
    path: Path,
    ended: Sequence[tuple[str, int, Floats, dict[str, Any]]],
    tests: Mapping[int, Part],
) -> None:
    tables = []
    for name, seed, scores, _ in ended:
        test, count = tests[seed], len(scores)
        classes = pa.array(test.classes)
        columns = {
            "network": pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [name]),
            "seed": pa.array(np.full(count, seed, np.int32)),
            "key": pa.array(test.keys).dictionary_encode(),
            "actual": pa.DictionaryArray.from_arrays(test.labels.astype(np.int32), classes),
            "predicted": pa.DictionaryArray.from_arrays(scores.argmax(axis=1).astype(np.int32), classes),
            "confidence": pa.array(softmax(scores).max(axis=1).astype(np.float32)),
        }
        tables.append(pa.table(columns))
    with replace_whole(path) as temporary:
        pq.write_table(pa.concat_tables(tables).unify_dictionaries(), temporary, compression="zstd")
