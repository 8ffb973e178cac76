"""The student beside what it is compared with: its ensemble, the teachers, and the gap between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from erkt.evaluation.paired import Difference, Scores, against
from erkt.evaluation.summary import summarize
from erkt.report.estimates import Estimate, estimate
from erkt.report.facts import Facts, Row


@dataclass(frozen=True)
class Compared:
    """One row of the table: a network, or the ensemble, on the test part.

    ``share`` is its mean weight in the ensemble. ``aa``, ``kappa`` and ``ece`` are means over the runs in
    percent.
    """

    name: str
    role: Literal["student", "ensemble", "teacher"]
    parameters: int
    share: float | None
    oa: Estimate
    aa: float
    kappa: float
    ece: float


def compared(facts: Facts) -> list[Compared]:
    """Return a row for the student, for the ensemble, and for each teacher, the best first."""
    seeds = list(facts.seeds.values())
    teachers = {name: [one.teachers[name] for one in seeds] for name in seeds[0].teachers}
    summary = summarize([[one.student, one.ensemble] for one in seeds], teachers)
    images = [len(one.predicted.labels) for one in seeds]

    def row(
        name: str, role: Literal["student", "ensemble", "teacher"], rows: Sequence[Row], size: int
    ) -> Compared:
        right = [round(one["oa"] * count / 100) for one, count in zip(rows, images, strict=True)]
        found = estimate(right, images)
        if found is None:
            raise ValueError("predictions hold an image")  # Predictions.load refuses a table without one
        means = {key: float(np.mean([one[key] for one in rows])) for key in ("aa", "kappa", "ece")}
        shares = [one.ensemble["weights"].get(name) for one in seeds]
        share = None if None in shares else float(np.mean(shares))
        return Compared(name, role, size, share if role == "teacher" else None, found, **means)

    others = [
        row(name, "teacher", rows, summary["teachers"][name]["parameters"]) for name, rows in teachers.items()
    ]
    return [
        row("student", "student", [one.student for one in seeds], summary["student"]["parameters"]),
        row("ensemble", "ensemble", [one.ensemble for one in seeds], summary["ensemble"]["parameters"]),
        *sorted(others, key=lambda one: -one.oa.mean),
    ]


def gap(facts: Facts) -> Difference:
    """Return the student's OA minus its ensemble's, paired over seeds and test images."""
    seeds = facts.seeds.items()
    images = {seed: one.predicted.keys for seed, one in seeds}

    def scores(name: Literal["student", "ensemble"]) -> Scores:
        hits = {seed: getattr(one.predicted, name) == one.predicted.labels for seed, one in seeds}
        return Scores(name, {seed: getattr(one, name)["oa"] for seed, one in seeds}, hits, images)

    return against(scores("ensemble"), {"student": scores("student")})["student"]
