"""Compare the students of several runs over the same seeds: paired differences with their interval.

A run is a folder with what ``metrics/`` holds, or a revision of git whose ``metrics/`` it is. Every run but
the first is compared with the first. Runs must share seeds and test images.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from erkt.errors import ErktError
from erkt.evaluation.paired import difference, verdict
from erkt.evaluation.summary import spread
from erkt.files.json_file import write_json
from erkt.pipeline.finished import Finished, read_run
from erkt.pipeline.paths import METRICS

LEVEL = 95.0


def arguments(parser: ArgumentParser) -> None:
    """Add the runs, and where the comparison is kept."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a folder or a revision; NAME=RUN names it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the comparison in FILE too")


def run(options: Namespace) -> int:
    """Print the runs and the differences."""
    runs: dict[str, Finished] = {}
    for given in options.runs:
        name, _, place = given.rpartition("=")
        found = read_run(place, name or place.rstrip("/").rpartition("/")[2], METRICS.as_posix())
        if found.name in runs:
            raise ErktError(f"two runs are called {found.name}; name them: NAME=RUN")
        runs[found.name] = found
    first, *others = runs.values()
    differences = {other.name: _difference(other, first) for other in others}
    rows = [
        {
            "run": run.name,
            "seeds": len(run.students),
            "student OA (%)": _with_deviation(run.students),
            "ensemble OA (%)": _with_deviation(run.ensembles),
        }
        for run in runs.values()
    ]
    print(pd.DataFrame(rows).to_string(index=False))
    for name, numbers in differences.items():
        print(f"{name} minus {first.name}: {_said(numbers)}")
    if options.json:
        kept = {name: {"student": run.students, "ensemble": run.ensembles} for name, run in runs.items()}
        write_json(options.json, {"oa": kept, "level": LEVEL, f"minus {first.name}": differences})
    return 0


def _difference(other: Finished, first: Finished) -> dict[str, Any]:
    numbers = difference(other.students, first.students, LEVEL)
    for seed, images in first.images.items():
        if other.images[seed] != images:
            raise ErktError(f"{other.name} and {first.name} have other test images at seed {seed}")
    return numbers


def _with_deviation(values: dict[int, float]) -> str:
    numbers = spread(list(values.values()))
    return f"{numbers['mean']:.2f}" + ("" if numbers["std"] is None else f" ± {numbers['std']:.2f}")


def _said(numbers: Mapping[str, Any]) -> str:
    if numbers["low"] is None:
        return f"{numbers['mean']:+.2f} points on one seed: no interval, no verdict"
    by_seed = " ".join(f"{value:+.2f}" for value in numbers["by_seed"].values())
    return (
        f"{numbers['mean']:+.2f} points, {LEVEL:g} % interval {numbers['low']:+.2f} to "
        f"{numbers['high']:+.2f} ({numbers['runs']} seeds: {by_seed}): {verdict(numbers)}"
    )
