"""Mean and deviation over the seeds, and the table that a run ends with."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Return mean, deviation (n - 1; None for one run) and number of ``values``."""
    series = pd.Series(values, dtype="float64")
    deviation = float(series.std()) if len(series) > 1 else None
    return {"mean": float(series.mean()), "std": deviation, "runs": len(series)}


def summarize(
    results: Sequence[Sequence[Mapping[str, Any]]], teachers: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """Return the summary of the runs of all seeds, in percent.

    ``results`` are the rows of evaluate, one list a seed; ``teachers`` the row of evaluate_teacher by name,
    in the same order of seeds. The ensemble's parameters are the sum of those members' that have a weight
    above 0 in any run.
    """
    rows = [{row["network"]: row for row in seed} for seed in results]
    oa = {name: spread([row[name]["oa"] for row in rows]) for name in ("student", "ensemble")}
    members = {
        name: {"oa": spread([row["oa"] for row in reports]), "parameters": reports[0]["parameters"]}
        for name, reports in teachers.items()
    }
    used = [name for name in members if any(row["ensemble"]["weights"][name] > 0 for row in rows)]
    together = sum(members[name]["parameters"] for name in used)
    return {
        "student": {"oa": oa["student"], "parameters": rows[0]["student"]["parameters"]},
        "ensemble": {"oa": oa["ensemble"], "parameters": together},
        "teachers": members,
        "gap": spread([row["student"]["gap"] for row in rows]),
    }


def points(summary: Mapping[str, Any]) -> dict[str, tuple[float, float, float | None]]:
    """Return for each network its millions of parameters, and the mean and deviation of its OA in percent."""
    named = {**summary["teachers"], "ensemble": summary["ensemble"], "student": summary["student"]}
    return {
        name: (numbers["parameters"] / 1e6, numbers["oa"]["mean"], numbers["oa"]["std"])
        for name, numbers in named.items()
    }


def table(summary: Mapping[str, Any]) -> str:
    """Return the summary as a text table: parameters, and OA with its deviation over the runs."""
    words = {"ensemble": "ensemble of teachers", "student": "student"}
    rows = []
    for name, (millions, oa, deviation) in points(summary).items():
        accuracy = f"{oa:.2f}" if deviation is None else f"{oa:.2f} ± {deviation:.2f}"
        called = words.get(name, f"teacher {name}")
        rows.append({"network": called, "parameters (M)": f"{millions:.2f}", "OA (%)": accuracy})
    text = pd.DataFrame(rows).to_string(index=False)
    gap, runs = summary["gap"]["mean"], summary["gap"]["runs"]
    place = "below" if gap >= 0 else "above"
    return f"{text}\nstudent {place} ensemble by {abs(gap):.2f} points; {runs} run{'s' if runs > 1 else ''}"
