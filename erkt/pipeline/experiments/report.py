"""The tables of experiments: written beside each other in results/<preset>/ as Markdown and CSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from erkt.evaluation.literature import read_literature
from erkt.files.csv_file import write_csv
from erkt.files.replace import write_text
from erkt.pipeline import paths
from erkt.pipeline.experiments import comparison, evidence
from erkt.pipeline.experiments.catalogue import find_preset, finished
from erkt.pipeline.experiments.history import Run, faults
from erkt.pipeline.experiments.plan import Plan, row_params

_SHOWN = 3
_WEIGHTS = """
A report on the test part, from which nothing is chosen: weights come from the validation part, or from params. The
CSV has every teacher in the lead, and the simplex at steps of 0.1.
"""
_STUDENTS = """\
Differences are paired over the seeds, with Student's interval; a verdict also needs the bootstrap over seeds and
test images (in the CSV) to leave out 0. A pass is one training image through the student, forward and backward, or
through each teacher, forward. GMAC an image: billions of multiply-accumulates to distill, by training image,
of the student and of the teachers that have a weight.
"""


def table_path(name: str, preset: str, *, quick: bool) -> Path:
    """Return where the table of an experiment beside a preset lies; its CSV lies beside it."""
    return paths.RESULTS / preset / ("quick" if quick else "") / f"{name}.md"


def make_table(name: str, plan: Plan, preset: str, runs: Sequence[Run], *, quick: bool) -> bool:
    """Write the table of the rows that have run to their end; return False if none has."""
    wanted = {row: row_params(plan, row, find_preset(preset), quick=quick) for row in plan.rows}
    found = {row: finished(runs, params) for row, params in wanted.items()}
    there = {row: run for row, run in found.items() if run is not None}
    if not there:
        return False
    path, text = table_path(name, preset, quick=quick), _heading(name, plan, preset, quick=quick)
    if plan.compares == "students":
        text += _students(path, plan, preset, there, wanted)
        missing = [plan.rows[row].label for row in wanted if row not in there]
        text += f"\nNot run: {', '.join(missing)}.\n" if missing else ""
    else:
        row, run = there.popitem()
        show = _networks if plan.compares == "networks" else _weights
        text += show(path, plan, preset, run, wanted[row])
        text += f"\nRun `{run.name}`, code of commit {run.base[:10]}.\n"
    write_text(path, text)
    return True


def left_out(name: str, plan: Plan, preset: str, runs: Sequence[Run]) -> dict[str, str]:
    """Return why the experiment's own ``runs`` beside ``preset`` are in no table, by their names."""
    reasons = {}
    for row in plan.rows:
        both = [row_params(plan, row, find_preset(preset), quick=quick) for quick in (False, True)]
        used = [finished(runs, params) for params in both]
        for run in runs:
            if run.name.startswith(f"{name}-{preset}-{row}-") and run not in used:
                fewest = min((faults(run, params) for params in both), key=len)
                more = f" and {len(fewest) - _SHOWN} more reasons" if len(fewest) > _SHOWN else ""
                newer = "a newer run has the same params and code"
                reasons[run.name] = ("; ".join(fewest[:_SHOWN]) + more) or newer
    return reasons


def _heading(name: str, plan: Plan, preset: str, *, quick: bool) -> str:
    option, warning = (" --quick", "\nA quick run: its numbers mean nothing.\n") if quick else ("", "")
    command = f"    python -m erkt experiment {name} --preset {preset}{option}\n"
    return f"# {plan.title} ({plan.source}), preset `{preset}`\n{warning}\n{command}\n"


def _students(
    path: Path, plan: Plan, preset: str, runs: dict[str, Run], wanted: dict[str, dict[str, Any]]
) -> str:
    """Write the CSV beside ``path``; return the table and what is to be known of it."""
    results = {row: evidence.result(run, wanted[row], plan.rows[row].label) for row, run in runs.items()}
    reference = plan.reference or ""
    rows = comparison.compare_students(results, reference, plan.paper.get(preset, {}))
    write_csv(path.with_suffix(".csv"), rows)
    shown = [
        {
            "student": row["label"],
            "seeds": row["runs"],
            "OA (%)": comparison.with_deviation(row),
            f"against {plan.rows[reference].label} (95 %)": comparison.with_interval(row),
            "": row["verdict"],
            "passes, student / teachers": f"{row['student_passes']} / {row['teacher_passes']}",
            "GMAC an image": f"{row['gmacs']:.3g}",
            "paper's OA (%)": row["paper"],
        }
        for row in rows
    ]
    return comparison.markdown(shown) + "\n" + _STUDENTS


def _networks(path: Path, plan: Plan, preset: str, run: Run, params: dict[str, Any]) -> str:
    """Write the CSV beside ``path``; return the table, with the literature's rows."""
    rows = comparison.list_networks(*evidence.networks(run, params), plan.paper.get(preset, {}))
    write_csv(path.with_suffix(".csv"), [item | {"run": run.name, "base": run.base} for item in rows])
    shown: list[dict[str, object]] = [
        {
            "network": item["network"],
            "parameters (M)": f"{item['parameters'] / 1e6:.2f}",
            "OA (%)": comparison.with_deviation(item),
            "seeds": item["runs"],
            "paper's OA (%)": item["paper"],
        }
        for item in rows
    ]
    dataset, percent = params["dataset"]["name"], float(params["split"]["train_percent"])
    for item in read_literature(paths.LITERATURE, dataset, percent):
        paper = item["oa"] + (f" ± {item['std']}" if item["std"] else "")
        named = {"network": f"{item['method']} [{item['reference']}]", "parameters (M)": item["parameters_m"]}
        shown.append(named | {"OA (%)": None, "seeds": None, "paper's OA (%)": paper})
    return comparison.markdown(shown)


def _weights(path: Path, plan: Plan, preset: str, run: Run, params: dict[str, Any]) -> str:
    """Write the CSV beside ``path``, all candidates; return the table of those on eq. 14's line."""
    rows = comparison.list_weights(evidence.weights(run, params))
    write_csv(path.with_suffix(".csv"), [item | {"run": run.name, "base": run.base} for item in rows])
    lead = params["ensemble"]["lead"] or next(iter(params["teachers"]))
    shown: list[dict[str, object]] = [
        {name: f"{item[name]:g}" for name in params["teachers"]}
        | {"OA on the test part (%)": comparison.with_deviation(item), "seeds": item["runs"]}
        for item in rows
        if item["lead"] == lead
    ]
    return comparison.markdown(shown) + _WEIGHTS
