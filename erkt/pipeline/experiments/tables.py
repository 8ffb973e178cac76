"""The tables of experiments, made from runs that have gone to their end."""

from collections.abc import Mapping, Sequence
from typing import Any

from erkt.evaluation.literature import read_literature
from erkt.evaluation.paired import Difference, explained
from erkt.pipeline import paths
from erkt.pipeline.experiments import comparison, measured
from erkt.pipeline.experiments.definition import Experiment
from erkt.pipeline.experiments.page import page_path, write_page
from erkt.pipeline.experiments.runs import (
    Run,
    Together,
    finished,
    finished_rows,
    require_same_images,
    trained_twice,
)

Rows = list[dict[str, Any]]

_SHOWN = 3
_WEIGHTS = """\
A report on the test part, from which nothing is chosen: weights come from the validation part, or from
params. The CSV has every teacher in the lead, and the simplex at steps of 0.1.
"""
_STUDENTS = """\
A pass is one training image through the student, forward and backward, or through each teacher, forward. GMAC
an image: billions of multiply-accumulates to distill, by training image, of the student and of the teachers
that have a weight.
"""


_SHARED = """
Rows have other test parts, since they take other shares of the images, with labels or without, out of them:
OA is that on the images that all rows test.
"""
_SEARCH = """\
OA on validation parts, from which settings are chosen. These runs end before any test image is read.
"""


def make_table(experiment: Experiment, preset: str, runs: Sequence[Run], *, quick: bool) -> bool:
    """Write the table of the rows that have run to their end; return False if none has."""
    found = finished_rows(experiment, preset, runs, quick=quick)
    if not found:
        return False
    require_same_images(found)
    paper = experiment.paper.get(preset, {})
    if experiment.part == "validation":
        shown, kept = _search(experiment, found)
        notes = _SEARCH + _said_of_teachers(found)
    elif experiment.reference is not None:
        shown, kept, notes = _students(experiment, found, paper)
        if experiment.compares == "curve":
            notes = f"{_picture(experiment, preset, kept, quick=quick)}\n{notes}"
    else:
        (run,) = found.values()
        shown, kept = _networks(run, paper) if experiment.compares == "networks" else _weights(run)
        kept = [row | {"run": run.name, "base": run.base} for row in kept]
        notes = f"{_WEIGHTS}\n" if experiment.compares == "weights" else ""
        notes += f"Run `{run.name}`, code of commit {run.base[:10]}.\n"
    title, command = f"{experiment.title} ({experiment.source})", f"experiment {experiment.name}"
    write_page(experiment.name, preset, title, command, shown, kept=kept, notes=notes, quick=quick)
    return True


def left_out(experiment: Experiment, preset: str, runs: Sequence[Run]) -> dict[str, str]:
    """Return why the experiment's own ``runs`` beside ``preset`` are in no table, by their names."""
    reasons = {}
    for row in experiment.rows:
        both = [experiment.params(preset, row, quick=quick) for quick in (False, True)]
        found = [finished(runs, params, experiment.last_stages) for params in both]
        used = [run for together in found if together for run in together.by_seed.values()]
        for run in runs:
            if run.name.startswith(f"{experiment.name}-{preset}-{row}-") and run not in used:
                alone = [{**params, "seeds": run.seeds} for params in both]
                fewest = min((run.faults(params, experiment.last_stages) for params in alone), key=len)
                more = f" and {len(fewest) - _SHOWN} more reasons" if len(fewest) > _SHOWN else ""
                newer = "a newer run has the same params and code, or its row lacks another seed"
                reasons[run.name] = ("; ".join(fewest[:_SHOWN]) + more) or newer
    return reasons


def _students(
    experiment: Experiment, runs: Mapping[str, Together], paper: Mapping[str, str]
) -> tuple[Rows, Rows, str]:
    """Return the rows of the page, those of the CSV, and what is said below."""
    whole = {row: measured.student(run, experiment.rows[row].label) for row, run in runs.items()}
    students = comparison.on_shared_images(whole)
    below = comparison.against_ensembles(students, len(experiment.rows))
    reference, curve = experiment.reference or "", experiment.compares == "curve"
    if curve:
        planned = sum(row.label != reference for row in experiment.rows.values())
        minus = comparison.differences_by_steps(students, reference, planned)
        against = f"{reference} at as many steps"
    else:
        minus = comparison.differences(students, reference, len(experiment.rows) - 1)
        against = experiment.rows[reference].label
    level = f" ({next(iter(minus.values())).level:.4g} %)" if minus else ""
    gaps = f"against its ensemble ({next(iter(below.values())).level:.4g} %)"
    kept = comparison.list_students(students, minus, below, paper)
    shown = [
        {"student": row["label"]}
        | ({"steps": row["steps"]} if curve else {})
        | {
            "seeds": row["runs"],
            "OA (%)": comparison.with_deviation(row),
            f"against {against}{level}": minus[row["row"]].shown() if row["row"] in minus else None,
            "": row["verdict"],
            gaps: f"{below[row['row']].shown()}: {row['ensemble_verdict']}",
            "passes, student / teachers": f"{row['student_passes']} / {row['teacher_passes']}",
            "GMAC an image": f"{row['gmacs']:.3g}",
            "paper's OA (%)": row["paper"],
        }
        for row in kept
    ]
    notes = _notes(experiment, runs, list(minus.values()), list(below.values()))
    if any(students[row].images != one.images for row, one in whole.items()):
        notes += _SHARED
    return shown, kept, notes + _said_of_teachers(runs)


def _said_of_teachers(runs: Mapping[str, Together]) -> str:
    return "".join(f"\n{said}.\n" for said in trained_twice(runs))


def _notes(
    experiment: Experiment,
    runs: Mapping[str, Together],
    minus: Sequence[Difference],
    below: Sequence[Difference],
) -> str:
    missing = [
        f"{row.label} ({name})" if experiment.compares == "curve" else row.label
        for name, row in experiment.rows.items()
        if name not in runs
    ]
    said = [f"{explained(minus or below)}\n"]
    if minus:
        said.append(
            f"Differences from the ensembles follow the same rule, at {below[0].level:.4g} %: the reference "
            "is one of their rows.\n"
        )
    return "\n".join([*said, _STUDENTS, *([f"Not run: {', '.join(missing)}.\n"] if missing else [])])


def _search(experiment: Experiment, runs: Mapping[str, Together]) -> tuple[Rows, Rows]:
    """Return the rows of the page, the best first, and those of the CSV."""
    (stage,) = experiment.last_stages
    found = {row: measured.validated(run, stage) for row, run in runs.items()}
    kept = [
        comparison.validated_row(row, experiment.rows[row].label, oa, runs[row]) for row, oa in found.items()
    ]
    shown = [
        {"row": row["label"], "seeds": row["runs"], "OA on validation (%)": comparison.with_deviation(row)}
        for row in sorted(kept, key=lambda row: -row["oa"])
    ]
    return shown, kept


def _picture(experiment: Experiment, preset: str, rows: Rows, *, quick: bool) -> str:
    """Draw the curves in ``rows`` beside the page; return what shows them there."""
    from erkt.figures.curve import curve_figure  # matplotlib, which no other table needs

    path = page_path(experiment.name, preset, quick=quick).with_suffix(".png")
    curve_figure(path, rows, experiment.reference or "")
    return f"![OA against training steps]({path.name})\n"


def _networks(run: Together, paper: Mapping[str, str]) -> tuple[Rows, Rows]:
    """Return the rows of the page, with the literature's, and those of the CSV."""
    kept = comparison.list_networks(measured.networks(run), paper)
    shown = [
        {
            "network": row["network"],
            "parameters (M)": f"{row['parameters'] / 1e6:.2f}",
            "OA (%)": comparison.with_deviation(row),
            "seeds": row["runs"],
            "paper's OA (%)": row["paper"],
        }
        for row in kept
    ]
    dataset, percent = run.params["dataset"]["name"], run.params["split"]["train_percent"]
    for item in read_literature(paths.LITERATURE, dataset, percent):
        named = {"network": f"{item['method']} [{item['reference']}]", "parameters (M)": item["parameters_m"]}
        deviation = f" ± {item['std']}" if item["std"] else ""
        shown.append(named | {"OA (%)": None, "seeds": None, "paper's OA (%)": item["oa"] + deviation})
    return shown, kept


def _weights(run: Together) -> tuple[Rows, Rows]:
    """Return the rows of the page, which are those on eq. 14's line, and those of the CSV: all candidates."""
    kept = comparison.list_weights(measured.sweeps(run))
    lead = run.params["ensemble"]["lead"] or next(iter(run.params["teachers"]))
    shown = [
        {name: f"{row[name]:g}" for name in run.params["teachers"]}
        | {"OA on the test part (%)": comparison.with_deviation(row), "seeds": row["runs"]}
        for row in kept
        if row["lead"] == lead
    ]
    return shown, kept
