"""The paper's claims about efficiency and robustness, each beside what the runs of a preset show."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from erkt.errors import ErktError
from erkt.evaluation import paired
from erkt.evaluation.paired import Scores
from erkt.evaluation.summary import spread
from erkt.files.table_file import read_table
from erkt.pipeline.experiments import measured
from erkt.pipeline.experiments.comparison import differences
from erkt.pipeline.experiments.definition import find_experiment
from erkt.pipeline.experiments.measured import Student
from erkt.pipeline.experiments.page import page_path
from erkt.pipeline.experiments.runs import Run, Together, finished_rows

T = TypeVar("T")

VARIANCES = {
    f"{scores}_{name}": f"{words}, {scores}"
    for scores in ("logits", "probabilities")
    for name, words in (
        ("within_over_between", "the ensemble's variance within classes"),
        ("across_over_between", "the ensemble's variance across views"),
        ("distance_over_between", "the student's squared distance from the ensemble"),
    )
}
"""Of logits, as the paper puts it, and of probabilities, each over the ensemble's variance between classes:
scores that are less sure have smaller logits, and so less variance of every kind."""

Runs = Mapping[str, Together]
"""Rows of Table 9 beside a preset that have run to their end, by name."""


def gap(students: Mapping[str, Student]) -> str:
    """Return how far the ERKT student is below its ensemble.

    The variance is pooled over the differences of all ``students`` from it.
    """
    (erkt,) = _named(students, "erkt")
    scores = {name: student.scores() for name, student in students.items()}
    found = -paired.against(erkt.ensemble_scores(), scores, count=1)["erkt"]
    return f"{found.shown()} points: the ensemble is {found.verdict}"


def gain(students: Mapping[str, Student]) -> str:
    """Return what ERKT gains over DIST at the same number of epochs."""
    _named(students, "erkt", "dist")
    found = -_differences(students)["dist"]
    return f"{found.shown()}: {found.verdict}"


def cheaper(students: Mapping[str, Student]) -> str:
    """Return what ERKT costs beside DIST at five times the epochs, and how their accuracies compare."""
    erkt, dist5 = _named(students, "erkt", "dist5")
    found = -_differences(students)["dist5"]
    saved = 100 * (1 - erkt.gmacs / dist5.gmacs)
    return f"{saved:.0f} % fewer multiply-accumulates; OA {found.shown()}: {found.verdict}"


def smaller(preset: str) -> str:
    """Return what the student saves of the ensemble's time and size, from Table 8 of the preset."""
    path = page_path("table8", preset).with_suffix(".csv")
    if not path.exists():
        raise ErktError(f"not run: python -m erkt speed --preset {preset}")
    try:
        rows = {row["network"]: row for row in read_table(path)}
        time = 100 * (1 - 1 / float(rows["ensemble"]["ratio"]))
        size = 100 * (1 - float(rows["student"]["parameters"]) / float(rows["ensemble"]["parameters"]))
    except (KeyError, ValueError, ZeroDivisionError):
        raise ErktError(f"{path} is not readable; run python -m erkt speed --preset {preset}") from None
    return f"{time:.0f} % less time, {size:.0f} % fewer parameters"


def suppressed(runs: Runs, name: str) -> str:
    """Return a figure of the stage measure with the module's views, with base views, and their difference.

    Its level is corrected for all of ``VARIANCES``.
    """
    vsm, base = (Scores(run.name, measured.agreement(run, name)) for run in _named(runs, "erkt", "dist"))
    found = paired.against(base, {"vsm": vsm}, count=len(VARIANCES))["vsm"]
    means = [f"{spread(list(scores.by_seed.values()))['mean']:.3g}" for scores in (vsm, base)]
    return f"{means[0]} with it, {means[1]} without: {found.shown('+.3g')}: {found.verdict}"


def table(preset: str, runs: Sequence[Run], *, quick: bool) -> list[dict[str, object]]:
    """Return one row a claim: the paper's words, what was measured here, and the command that measures it."""
    rows = finished_rows(find_experiment("table9"), preset, runs, quick=quick)
    students = {name: measured.student(run, name) for name, run in rows.items()}
    nine = f"`python -m erkt experiment table9 --preset {preset}{' --quick' if quick else ''}`"
    eight = f"`python -m erkt speed --preset {preset}`"
    claims: list[tuple[str, str, Callable[[], str], str]] = [
        ("the student is close below its ensemble", "0.1 to 0.2 points", partial(gap, students), nine),
        ("ERKT gains over DIST at equal epochs", "0.31 to 0.36 points", partial(gain, students), nine),
        (
            "distillation takes at least 80 % less time",
            "against DIST at 5 times the epochs",
            partial(cheaper, students),
            nine,
        ),
        ("inference takes less time and space", "80 % and 88 % less", partial(smaller, preset), eight),
    ]
    for name, words in VARIANCES.items():
        claim = f"the module suppresses variance: {words}, over that between classes"
        claims.append((claim, "claimed, not measured", partial(suppressed, rows, name), nine))
    return [
        {"the paper's claim": claim, "paper": paper, "measured here": _said(measure), "how to rerun": how}
        for claim, paper, measure, how in claims
    ]


def _differences(students: Mapping[str, Student]) -> dict[str, paired.Difference]:
    """Return Table 9's differences, at the level of all rows that it plans, whichever have run."""
    return differences(students, "erkt", len(find_experiment("table9").rows) - 1)


def _named(found: Mapping[str, T], *rows: str) -> list[T]:
    missing = [row for row in rows if row not in found]
    if missing:
        raise ErktError(f"not run: {', '.join(missing)} of table9")
    return [found[row] for row in rows]


def _said(measure: Callable[[], str]) -> str:
    try:
        return measure()
    except ErktError as error:
        return str(error)
