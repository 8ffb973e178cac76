"""The rows of an experiment's table: mean and deviation over seeds, paired differences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from erkt.errors import ErktError
from erkt.evaluation import paired
from erkt.evaluation.paired import bootstrap
from erkt.evaluation.summary import spread
from erkt.pipeline.experiments.measured import Student
from erkt.pipeline.experiments.runs import Run

_COMPARED = ("difference", "low", "high", "bootstrap_low", "bootstrap_high", "verdict")


def compare_students(
    students: Mapping[str, Student], reference: str | None, paper: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return one row a student, by row name, with its difference to the row ``reference``, if that is there.

    Raises ErktError if two have other seeds, other test images, or images of other content.
    """
    first = students.get(reference or "")
    return [
        {"row": name, "label": student.label}
        | _over_seeds(student.oa)
        | {"paper": paper.get(name), "ensemble": spread(list(student.ensemble.values()))["mean"]}
        | (difference(student, first) if first and name != reference else dict.fromkeys(_COMPARED))
        | {"student_passes": student.student_passes, "teacher_passes": student.teacher_passes}
        | {"gmacs": student.gmacs, "run": student.run, "base": student.base}
        for name, student in students.items()
    ]


def difference(student: Student, first: Student) -> dict[str, Any]:
    """Return ``student`` minus ``first`` in points, with intervals at 95 % and what they say.

    ``difference`` is the mean over the seeds; ``low`` and ``high`` bound Student's interval over them (None
    for one seed), ``bootstrap_low`` and ``bootstrap_high`` that of a bootstrap over seeds and test images;
    ``verdict`` is in words. Raises ErktError if seeds, test images or their content differ.
    """
    numbers = paired.difference(student.oa, first.oa)
    if student.data != first.data:
        raise ErktError(f"{student.run} and {first.run} were made from images of other content")
    for seed, images in student.images.items():
        if images != first.images[seed]:
            raise ErktError(f"{student.run} and {first.run} have other test images at seed {seed}")
    bounds = bootstrap(student.hits, first.hits, np.random.default_rng(0))
    row = dict(zip(_COMPARED, (numbers["mean"], numbers["low"], numbers["high"], *bounds, ""), strict=True))
    return row | {"verdict": verdict(row)}


def validated_row(row: str, label: str, oa: Mapping[int, float], run: Run) -> dict[str, Any]:
    """Return a row of a search: mean and deviation of ``oa`` over the seeds, and where it comes from."""
    return {"row": row, "label": label} | _over_seeds(oa) | {"run": run.name, "base": run.base}


def list_networks(summary: Mapping[str, Any], paper: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return one row a network of a run's summary: its parameters, OA in percent, the paper's OA."""
    named = {**summary["teachers"], "ensemble": summary["ensemble"], "student": summary["student"]}
    return [
        {"network": name, "parameters": numbers["parameters"]}
        | _named(numbers["oa"])
        | {"paper": paper.get(name)}
        for name, numbers in named.items()
    ]


def list_weights(by_seed: Mapping[int, Sequence[Mapping[str, str]]]) -> list[dict[str, Any]]:
    """Return one row a candidate of the ensemble's weights, its OA over the seeds.

    ``by_seed`` holds the same candidates in the same order for each seed: ``lead``, a weight a member, OA.
    """
    rows = []
    for candidates in zip(*by_seed.values(), strict=True):
        given = {name: value for name, value in candidates[0].items() if name not in ("lead", "oa", "nll")}
        oa = {seed: float(row["oa"]) for seed, row in zip(by_seed, candidates, strict=True)}
        weights = {name: float(value) for name, value in given.items()}
        rows.append({"lead": candidates[0]["lead"] or None} | weights | _over_seeds(oa))
    return rows


def verdict(row: Mapping[str, Any]) -> str:
    """Return in words what a difference says; both intervals have to leave out 0 for it to say anything."""
    spans_zero = row["bootstrap_low"] <= 0 <= row["bootstrap_high"]
    return paired.NOTHING if spans_zero and row["low"] is not None else paired.verdict(row)


def with_deviation(row: Mapping[str, Any]) -> str:
    """Return a row's OA as the paper prints it."""
    return f"{row['oa']:.2f}" + ("" if row["std"] is None else f" ± {row['std']:.2f}")


def with_interval(row: Mapping[str, Any]) -> str:
    """Return a row's difference with Student's interval; the bootstrap's, marked so, if there is one seed."""
    if row["difference"] is None:
        return ""
    prefix, note = ("bootstrap_", " (test images alone)") if row["low"] is None else ("", "")
    return f"{row['difference']:+.2f} [{row[f'{prefix}low']:+.2f}, {row[f'{prefix}high']:+.2f}]{note}"


def _named(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {"oa": numbers["mean"], "std": numbers["std"], "runs": numbers["runs"]}


def _over_seeds(by_seed: Mapping[int, float]) -> dict[str, Any]:
    each = " ".join(f"{seed}:{value:.4f}" for seed, value in sorted(by_seed.items()))
    return _named(spread(list(by_seed.values()))) | {"oa_by_seed": each}
