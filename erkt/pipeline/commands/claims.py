"""Write the paper's claims beside what was measured, in results/<preset>/claims.md.

From the runs of experiment table9 and the table of python -m erkt speed; what has not run is named in its
place.
"""

from argparse import ArgumentParser, Namespace

from erkt.evaluation.paired import corrected
from erkt.pipeline.experiments import claims
from erkt.pipeline.experiments.claims import VARIANCES
from erkt.pipeline.experiments.page import page_path, write_page
from erkt.pipeline.experiments.runs import find_runs

_NOTES = f"""\
Differences are paired over the seeds. An interval reaches at each end as far as the wider of two: Student's,
and for OA the bootstrap over seeds and test images. For OA the variance is pooled over the rows of Table 9.
ERKT's differences to DIST are those of that table, at the level that is corrected for its rows; the
ensemble's is at 95 %; those of variances and distances are at {corrected(len(VARIANCES)):.4g} % each, as
there are {len(VARIANCES)}. Variances and distances are those on the first views that the student learned from
(`metrics/measure`), over the ensemble's variance between classes, where a mixed image counts for both of its
classes by its share. Scores that are less sure have smaller logits, and so less variance of every kind; the
ratio does not follow that.
"""


def arguments(parser: ArgumentParser) -> None:
    """Add the preset, and whether its quick runs are meant."""
    parser.add_argument(
        "--preset", default="scenes", help="a file of presets/, without .yaml; default: scenes"
    )
    parser.add_argument("--quick", action="store_true", help="of the quick runs, whose numbers mean nothing")


def run(options: Namespace) -> int:
    """Write the page and print it."""
    preset, quick = options.preset, options.quick
    rows = claims.table(preset, find_runs(), quick=quick)
    print(write_page("claims", preset, "The paper's claims", "claims", rows, notes=_NOTES, quick=quick))
    print(page_path("claims", preset, quick=quick))
    return 0
