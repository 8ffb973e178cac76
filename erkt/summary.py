"""Mean and deviation over the seeds, and the table that a run ends with."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Return mean, deviation (n - 1; None for one run) and number of ``values``."""
    series = pd.Series(values, dtype="float64")
    deviation = float(series.std(ddof=1)) if len(series) > 1 else None
    return {"mean": float(series.mean()), "std": deviation, "runs": len(series)}


def summarize(
    results: Sequence[Mapping[str, Any]], teachers: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """Return the summary of the runs of all seeds, in percent.

    ``results`` are the metrics of evaluate, one a seed; ``teachers`` those of evaluate_teacher by name, in
    the same order of seeds. The ensemble's parameters are the sum of its members'.
    """

    def accuracy(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {name: spread([report[name] for report in reports]) for name in ("oa",)}

    members = {
        name: {**accuracy(reports), "parameters": reports[0]["parameters"]}
        for name, reports in teachers.items()
    }
    return {
        "student": {
            **accuracy([result["student"] for result in results]),
            "parameters": results[0]["parameters"],
        },
        "ensemble": {
            **accuracy([result["ensemble"] for result in results]),
            "parameters": sum(member["parameters"] for member in members.values()),
        },
        "teachers": members,
        "gap": spread([result["gap"] for result in results]),
    }


def table(summary: Mapping[str, Any]) -> str:
    """Return the summary as a text table: parameters, and OA with its deviation over the runs."""
    named = {f"teacher {name}": numbers for name, numbers in summary["teachers"].items()}
    named |= {"ensemble of teachers": summary["ensemble"], "student (distilled)": summary["student"]}
    rows = []
    for name, numbers in named.items():
        oa = numbers["oa"]
        deviation = "" if oa["std"] is None else f" ± {oa['std']:.2f}"
        millions = f"{numbers['parameters'] / 1e6:.2f}"
        rows.append({"network": name, "parameters (M)": millions, "OA (%)": f"{oa['mean']:.2f}{deviation}"})
    gap = summary["gap"]["mean"]
    runs = summary["student"]["oa"]["runs"]
    text = pd.DataFrame(rows).to_string(index=False)
    return f"{text}\nstudent below ensemble by {gap:.2f} points; {runs} run{'s' if runs > 1 else ''}"
