"""Write the paper's claims beside what was measured, in results/<preset>/claims.md.

From the runs of experiment table9 and the table of python -m erkt speed; what has not run is named in its place.
"""

from argparse import ArgumentParser, Namespace

from erkt.files.replace import write_text
from erkt.pipeline import paths
from erkt.pipeline.experiments import claims
from erkt.pipeline.experiments.comparison import markdown
from erkt.pipeline.experiments.history import find_runs


def arguments(parser: ArgumentParser) -> None:
    """Add the preset, and whether its quick runs are meant."""
    parser.add_argument(
        "--preset", default="scenes", help="a file of presets/, without .yaml; default: scenes"
    )
    parser.add_argument("--quick", action="store_true", help="of the quick runs, whose numbers mean nothing")


def run(options: Namespace) -> int:
    """Write the page and print it."""
    rows = claims.table(options.preset, find_runs(), quick=options.quick)
    warning = "A quick run: its numbers mean nothing.\n\n" if options.quick else ""
    text = (
        f"# The paper's claims, preset `{options.preset}`\n\n{warning}"
        f"    python -m erkt claims --preset {options.preset}{' --quick' if options.quick else ''}\n\n"
        f"{markdown(rows)}\n"
        "Differences are paired over the seeds, with Student's 95 % interval. Variances and distances are "
        "those on the first views that the student learned from (`metrics/measure`), summed over classes; less sure "
        "scores have smaller logits, so both logits and probabilities are shown.\n"
    )
    path = paths.RESULTS / options.preset / ("quick" if options.quick else "") / "claims.md"
    write_text(path, text)
    print(text + f"\n{path}")
    return 0
