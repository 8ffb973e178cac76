"""The paper's claims about efficiency and robustness, each beside what the runs of a preset show."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from erkt.errors import ErktError
from erkt.evaluation.paired import difference, verdict
from erkt.evaluation.summary import spread
from erkt.pipeline import paths
from erkt.pipeline.cells import Cell
from erkt.pipeline.experiments import evidence
from erkt.pipeline.experiments.catalogue import find_plan, find_preset, finished
from erkt.pipeline.experiments.comparison import Result, compare_students, with_interval
from erkt.pipeline.experiments.history import Run
from erkt.pipeline.experiments.plan import row_params

_VARIANCES = {
    f"{scores}_{name}": f"{words}, {scores}"
    for scores in ("logits", "probabilities")
    for name, words in (
        ("within_class", "the ensemble's variance within classes"),
        ("across_views", "the ensemble's variance across views"),
        ("distance", "the student's squared distance from the ensemble"),
    )
}
"""Of logits, as the paper puts it, and of probabilities: less sure scores have smaller logits, which vary less."""


@dataclass(frozen=True)
class Ablation:
    """The finished rows of Table 9 beside a preset: their runs, params and results, by row name."""

    runs: Mapping[str, Run]
    params: Mapping[str, dict[str, Any]]
    results: Mapping[str, Result]

    @classmethod
    def find(cls, preset: str, runs: Sequence[Run], *, quick: bool) -> "Ablation":
        """Return what has run to its end."""
        plan = find_plan("table9")
        params = {row: row_params(plan, row, find_preset(preset), quick=quick) for row in plan.rows}
        found = {row: finished(runs, own) for row, own in params.items()}
        there = {row: run for row, run in found.items() if run is not None}
        results = {row: evidence.result(run, params[row], plan.rows[row].label) for row, run in there.items()}
        return cls(there, params, results)

    def against(self, row: str, reference: str) -> dict[str, Any]:
        """Return the comparison of two rows; ErktError if one has not run."""
        self.require(row, reference)
        own = {name: self.results[name] for name in (reference, row)}
        return compare_students(own, reference, {})[1]

    def require(self, *rows: str) -> None:
        """Raise ErktError naming the rows that have not run."""
        missing = [row for row in rows if row not in self.runs]
        if missing:
            raise ErktError(f"not run: {', '.join(missing)} of table9")

    def measured(self, row: str, name: str) -> dict[int, float]:
        """Return a figure of the stage measure by seed."""
        run, found = self.runs[row], {}
        for seed in self.params[row]["seeds"]:
            cell = Cell("measure", {"seed": str(seed)})
            value = run.rows(paths.metrics("measure", str(seed)), cell)[0][name]
            if value is None:
                raise ErktError("one view has no variance")
            found[seed] = float(value)
        return found


def gap(ablation: Ablation) -> str:
    """Return how far the ERKT student is below its ensemble."""
    ablation.require("erkt")
    result = ablation.results["erkt"]
    numbers = difference(result.ensemble, result.oa)
    text = f"{numbers['mean']:+.2f} points"
    return text if numbers["low"] is None else f"{text} [{numbers['low']:+.2f}, {numbers['high']:+.2f}]"


def gain(ablation: Ablation) -> str:
    """Return what ERKT gains over DIST at the same number of epochs."""
    row = ablation.against("erkt", "dist")
    return f"{with_interval(row)}: {row['verdict']}"


def cheaper(ablation: Ablation) -> str:
    """Return what ERKT costs beside DIST at five times the epochs, and how their accuracies compare."""
    row = ablation.against("erkt", "dist5")
    saved = 100 * (1 - ablation.results["erkt"].gmacs / ablation.results["dist5"].gmacs)
    return f"{saved:.0f} % fewer multiply-accumulates; OA {with_interval(row)}: {row['verdict']}"


def smaller(preset: str) -> str:
    """Return what the student saves of the ensemble's time and size, from Table 8 of the preset."""
    path = paths.RESULTS / preset / "table8.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = {row["network"]: row for row in csv.DictReader(file)}
        time = 100 * (1 - 1 / float(rows["ensemble"]["ratio"]))
        size = 100 * (1 - float(rows["student"]["parameters"]) / float(rows["ensemble"]["parameters"]))
    except FileNotFoundError:
        raise ErktError(f"not run: python -m erkt speed --preset {preset}") from None
    except (OSError, KeyError, TypeError, ValueError):
        raise ErktError(f"{path} is not readable; run python -m erkt speed --preset {preset}") from None
    return f"{time:.0f} % less time, {size:.0f} % fewer parameters"


def suppressed(ablation: Ablation, name: str) -> str:
    """Return a figure of measure with the module's views and with base views, both with DIST, and their difference."""
    ablation.require("erkt", "dist")
    vsm, base = ablation.measured("erkt", name), ablation.measured("dist", name)
    numbers = difference(vsm, base)
    means = (
        f"{spread(list(vsm.values()))['mean']:.3g} with it, {spread(list(base.values()))['mean']:.3g} without"
    )
    bounds = "" if numbers["low"] is None else f" [{numbers['low']:+.3g}, {numbers['high']:+.3g}]"
    return f"{means}: {numbers['mean']:+.3g}{bounds}: {verdict(numbers)}"


def table(preset: str, runs: Sequence[Run], *, quick: bool) -> list[dict[str, object]]:
    """Return one row a claim: the paper's words, what was measured here, and the command that measures it."""
    ablation = Ablation.find(preset, runs, quick=quick)
    option = " --quick" if quick else ""
    nine = f"`python -m erkt experiment table9 --preset {preset}{option}`"
    eight = f"`python -m erkt speed --preset {preset}`"

    def row(claim: str, paper: str, measure: Callable[[], str], how: str) -> dict[str, object]:
        try:
            shown = measure()
        except ErktError as error:
            shown = str(error)
        return {"the paper's claim": claim, "paper": paper, "measured here": shown, "how to rerun": how}

    rows = [
        row("the student is close below its ensemble", "0.1 to 0.2 points", lambda: gap(ablation), nine),
        row("ERKT gains over DIST at equal epochs", "0.31 to 0.36 points", lambda: gain(ablation), nine),
        row(
            "distillation takes at least 80 % less time",
            "against DIST at 5 times the epochs",
            lambda: cheaper(ablation),
            nine,
        ),
        row("inference takes less time and space", "80 % and 88 % less", lambda: smaller(preset), eight),
    ]
    for name, words in _VARIANCES.items():
        claim = f"the module suppresses variance: {words}"
        rows.append(row(claim, "claimed, not measured", partial(suppressed, ablation, name), nine))
    return rows
