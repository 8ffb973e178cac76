"""Compare the students of several runs over the same seeds: paired differences with their interval.

A run is a folder with what ``metrics/`` holds, or a revision of git whose ``metrics/`` it is. Every run but
the first is compared with the first, as the rows of a table are. Runs must share seeds and test images.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from textwrap import fill

import pandas as pd

from erkt.errors import ErktError
from erkt.evaluation.paired import against, explained
from erkt.evaluation.summary import spread
from erkt.files.json_file import write_json
from erkt.pipeline.finished import Finished, read_run
from erkt.pipeline.paths import METRICS

WIDTH = 100


def arguments(parser: ArgumentParser) -> None:
    """Add the runs, and where the comparison is kept."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a folder or a revision; NAME=RUN names it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the comparison in FILE too")


def run(options: Namespace) -> int:
    """Print the runs and the differences."""
    runs: dict[str, Finished] = {}
    for given in options.runs:
        name, _, place = ("", "", given) if Path(given).is_dir() else given.rpartition("=")
        one = read_run(place, name or place.rstrip("/").rpartition("/")[2], METRICS.as_posix())
        if one.name in runs:
            raise ErktError(f"two runs are called {one.name}; name them: NAME=RUN")
        runs[one.name] = one
    first, *others = runs.values()
    differences = against(first.scores(), {other.name: other.scores() for other in others})
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
    for name, found in differences.items():
        by_seed = " ".join(f"{seed}:{value:+.2f}" for seed, value in found.by_seed.items())
        print(f"{name} minus {first.name}: {found.shown()} points ({by_seed}): {found.verdict}")
    if differences:
        print(fill(explained(list(differences.values())), WIDTH))
    if options.json:
        kept = {name: {"student": run.students, "ensemble": run.ensembles} for name, run in runs.items()}
        minus = {name: {"by_seed": found.by_seed} | found.row() for name, found in differences.items()}
        write_json(options.json, {"oa": kept, f"minus {first.name}": minus})
    return 0


def _with_deviation(values: dict[int, float]) -> str:
    numbers = spread(list(values.values()))
    return f"{numbers['mean']:.2f}" + ("" if numbers["std"] is None else f" ± {numbers['std']:.2f}")
