"""Compare the students of several runs over the same seeds: paired differences with their interval.

A run is a folder with what ``metrics/`` holds, or a revision of git whose ``metrics/`` it is. Every run but the
first is compared with the first. Runs must share seeds and test images.
"""

from argparse import ArgumentParser, Namespace
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
    runs = []
    for given in options.runs:
        name, _, place = given.rpartition("=")
        runs.append(read_run(place, name or place.rstrip("/").rpartition("/")[2], METRICS.as_posix()))
    first = runs[0]
    differences = {}
    for other in runs[1:]:
        if other.name in differences or other.name == first.name:
            raise ErktError(f"two runs are called {other.name}; name them: NAME=RUN")
        numbers = difference(other.students, first.students, LEVEL)
        for seed, images in first.images.items():
            if other.images[seed] != images:
                raise ErktError(f"{other.name} and {first.name} have other test images at seed {seed}")
        differences[other.name] = numbers
    print(_table(runs))
    for name, numbers in differences.items():
        print(_line(name, first.name, numbers))
    if options.json:
        kept: dict[str, Any] = {
            run.name: {"student": run.students, "ensemble": run.ensembles} for run in runs
        }
        write_json(options.json, {"oa": kept, "level": LEVEL, f"minus {first.name}": differences})
    return 0


def _table(runs: list[Finished]) -> str:
    def shown(values: dict[int, float]) -> str:
        numbers = spread(list(values.values()))
        deviation = "" if numbers["std"] is None else f" ± {numbers['std']:.2f}"
        return f"{numbers['mean']:.2f}{deviation}"

    rows = [
        {
            "run": run.name,
            "seeds": len(run.students),
            "student OA (%)": shown(run.students),
            "ensemble OA (%)": shown(run.ensembles),
        }
        for run in runs
    ]
    return pd.DataFrame(rows).to_string(index=False)


def _line(name: str, first: str, numbers: dict[str, Any]) -> str:
    by_seed = " ".join(f"{value:+.2f}" for value in numbers["by_seed"].values())
    if numbers["low"] is None:
        return f"{name} minus {first}: {numbers['mean']:+.2f} points on one seed: no interval, no verdict"
    return (
        f"{name} minus {first}: {numbers['mean']:+.2f} points, {LEVEL:g} % interval "
        f"{numbers['low']:+.2f} to {numbers['high']:+.2f} ({numbers['runs']} seeds: {by_seed}): "
        f"{verdict(numbers)}"
    )
