"""Make the tables of experiments again, in results/<preset>/, from what DVC recorded.

A run counts if its params are those of the experiment's file and its code is the code that lies here; others
are named with the reason, and left out. Tables of quick runs are called so; their numbers mean nothing.
"""

import sys
from argparse import ArgumentParser, Namespace

from erkt.errors import ErktError
from erkt.pipeline import paths
from erkt.pipeline.experiments.definition import find_experiment, find_preset, names_in
from erkt.pipeline.experiments.page import page_path
from erkt.pipeline.experiments.runs import find_runs
from erkt.pipeline.experiments.tables import left_out, make_table


def arguments(parser: ArgumentParser) -> None:
    """Add a choice of experiments and presets."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="files of experiments/, without .yaml; default: all"
    )
    parser.add_argument("--preset", action="append", help="a file of presets/, without .yaml; default: all")


def run(options: Namespace) -> int:
    """Write the table of every experiment that was run here, has a table, or is asked for by both names.

    Say what is left out.
    """
    runs, made, failed = find_runs(), 0, False
    for preset in options.preset or ():
        find_preset(preset)  # there has to be one, even where nothing has run
    for experiment in map(find_experiment, options.names or names_in(paths.EXPERIMENTS)):
        for preset in options.preset or names_in(paths.PRESETS):
            rows = tuple(f"{experiment.name}-{preset}-{row}-" for row in experiment.rows)
            has_run = any(run.name.startswith(rows) for run in runs)
            asked = has_run or bool(options.names and options.preset)
            for quick in (False, True):
                path = page_path(experiment.name, preset, quick=quick)
                try:
                    if (asked or path.exists()) and make_table(experiment, preset, runs, quick=quick):
                        print(path)
                        made += 1
                except ErktError as error:  # of other tables nothing is known by that
                    print(f"error: {path}: {error}", file=sys.stderr)
                    failed = True
            for name, reason in left_out(experiment, preset, runs).items() if has_run else ():
                print(f"left out: {name}: {reason}")
    if not made and not failed:
        raise ErktError("no experiment has run here to its end; python -m erkt experiment NAME runs one")
    return 1 if failed else 0
