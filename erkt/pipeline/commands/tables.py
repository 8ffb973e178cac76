"""Make the tables of experiments again, in results/<preset>/, from what DVC recorded.

A run counts if its params are those of the experiment's file and its code is the code that lies here; others are
named with the reason, and left out. Tables of quick runs are called so; their numbers mean nothing.
"""

from argparse import ArgumentParser, Namespace

from erkt.errors import ErktError
from erkt.pipeline import paths
from erkt.pipeline.experiments.catalogue import check_preset, find_plan, names_in
from erkt.pipeline.experiments.history import find_runs
from erkt.pipeline.experiments.report import left_out, make_table, table_path


def arguments(parser: ArgumentParser) -> None:
    """Add a choice of experiments and presets."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="files of experiments/, without .yaml; default: all"
    )
    parser.add_argument("--preset", action="append", help="a file of presets/, without .yaml; default: all")


def run(options: Namespace) -> int:
    """Write the table of every experiment that was run here, or has a table; say what is left out."""
    runs, made = find_runs(), 0
    for preset in options.preset or ():
        check_preset(preset)
    for name in options.names or names_in(paths.EXPERIMENTS):
        plan = find_plan(name)
        for preset in options.preset or names_in(paths.PRESETS):
            own = any(run.name.startswith(f"{name}-{preset}-{row}-") for run in runs for row in plan.rows)
            for quick in (False, True):
                path = table_path(name, preset, quick=quick)
                if (own or path.exists()) and make_table(name, plan, preset, runs, quick=quick):
                    print(path)
                    made += 1
            if own:
                for run_name, reason in left_out(name, plan, preset, runs).items():
                    print(f"left out: {run_name}: {reason}")
    if not made:
        raise ErktError("no experiment has run here to its end; python -m erkt experiment NAME runs one")
    return 0
