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
    results: Sequence[Sequence[Mapping[str, Any]]], teachers: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """Return the summary of the runs of all seeds, in percent.

    ``results`` are the rows of evaluate, one list a seed; ``teachers`` the row of evaluate_teacher by name,
    in the same order of seeds. The ensemble's parameters are the sum of those
    members' that have a weight above 0 in any run.
    """
    rows = [{row["network"]: row for row in seed} for seed in results]
    members = {
        name: {"oa": spread([row["oa"] for row in reports]), "parameters": reports[0]["parameters"]}
        for name, reports in teachers.items()
    }
    used = [name for name in members if any(row["ensemble"]["weights"][name] > 0 for row in rows)]
    return {
        "student": {
            "oa": spread([row["student"]["oa"] for row in rows]),
            "parameters": rows[0]["student"]["parameters"],
        },
        "ensemble": {
            "oa": spread([row["ensemble"]["oa"] for row in rows]),
            "parameters": sum(members[name]["parameters"] for name in used),
        },
        "teachers": members,
        "gap": spread([row["student"]["gap"] for row in rows]),
    }


def points(summary: Mapping[str, Any]) -> dict[str, tuple[float, float, float | None]]:
    """Return for each network of the summary its millions of parameters, mean OA in percent, and deviation."""
    named = {**summary["teachers"], "ensemble": summary["ensemble"], "student": summary["student"]}
    return {
        name: (numbers["parameters"] / 1e6, numbers["oa"]["mean"], numbers["oa"]["std"])
        for name, numbers in named.items()
    }


def table(summary: Mapping[str, Any]) -> str:
    """Return the summary as a text table: parameters, and OA with its deviation over the runs."""
    named = {f"teacher {name}": numbers for name, numbers in summary["teachers"].items()}
    named |= {"ensemble of teachers": summary["ensemble"], "student": summary["student"]}
    rows = []
    for name, numbers in named.items():
        oa = numbers["oa"]
        deviation = "" if oa["std"] is None else f" ± {oa['std']:.2f}"
        millions = f"{numbers['parameters'] / 1e6:.2f}"
        rows.append({"network": name, "parameters (M)": millions, "OA (%)": f"{oa['mean']:.2f}{deviation}"})
    gap = summary["gap"]["mean"]
    runs = summary["student"]["oa"]["runs"]
    text = pd.DataFrame(rows).to_string(index=False)
    place = "below" if gap >= 0 else "above"
    return f"{text}\nstudent {place} ensemble by {abs(gap):.2f} points; {runs} run{'s' if runs > 1 else ''}"
