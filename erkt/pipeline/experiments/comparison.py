"""The tables of an experiment: mean and deviation over seeds, paired differences, the paper's number beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from erkt.errors import ErktError
from erkt.evaluation import paired
from erkt.evaluation.paired import Bools, bootstrap
from erkt.evaluation.summary import spread

LEVEL = 95.0
_COMPARED = ("difference", "low", "high", "bootstrap_low", "bootstrap_high", "verdict")


@dataclass(frozen=True)
class Result:
    """What a finished row holds, by seed.

    ``oa`` of the student and ``ensemble`` of its teachers in percent; ``hits`` whether the student is right on
    each of the test ``images`` (their keys); ``data`` names the prepared images' content. ``student_passes`` and ``teacher_passes`` are how often a training
    image went through the student (forward and backward) and through each teacher (forward) to distill;
    ``gmacs`` is what that costs per training image, a backward pass counted as two forward ones. ``run`` is
    DVC's name for the experiment and ``base`` the commit of its code.
    """

    label: str
    oa: Mapping[int, float]
    ensemble: Mapping[int, float]
    hits: Mapping[int, Bools]
    images: Mapping[int, tuple[str, ...]]
    data: str
    student_passes: int
    teacher_passes: int
    gmacs: float
    run: str
    base: str


def compare_students(
    results: Mapping[str, Result], reference: str, paper: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return one row a result, by row name, with its difference to the result of ``reference``, if that is there.

    Raises ErktError if two results have other seeds, other test images, or images of other content.
    """
    first = results.get(reference)
    rows = []
    for name, result in results.items():
        compared = first is not None and name != reference
        rows.append(
            {"row": name, "label": result.label}
            | _over_seeds(result.oa)
            | {"paper": paper.get(name), "ensemble": spread(list(result.ensemble.values()))["mean"]}
            | (_difference(result, first) if first and compared else dict.fromkeys(_COMPARED))
            | {"student_passes": result.student_passes, "teacher_passes": result.teacher_passes}
            | {"gmacs": result.gmacs, "run": result.run, "base": result.base}
        )
    return rows


def list_networks(
    oa: Mapping[str, Mapping[int, float]], parameters: Mapping[str, int], paper: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return one row a network of one run: its parameters, OA in percent over the seeds, the paper's OA."""
    return [
        {"network": name, "parameters": parameters[name]} | _over_seeds(by_seed) | {"paper": paper.get(name)}
        for name, by_seed in oa.items()
    ]


def list_weights(by_seed: Mapping[int, Sequence[Mapping[str, str]]]) -> list[dict[str, Any]]:
    """Return one row a candidate of the ensemble's weights, its OA over the seeds.

    ``by_seed`` holds the same candidates in the same order for each seed, with ``lead``, a weight a member, ``oa``.
    """
    rows = []
    for candidates in zip(*by_seed.values(), strict=True):
        named = {name: value for name, value in candidates[0].items() if name not in ("lead", "oa", "nll")}
        oa = {seed: float(row["oa"]) for seed, row in zip(by_seed, candidates, strict=True)}
        given = {name: float(value) for name, value in named.items()}
        rows.append({"lead": candidates[0]["lead"] or None} | given | _over_seeds(oa))
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
    prefix = "bootstrap_" if row["low"] is None else ""
    note = " (test images alone)" if row["low"] is None else ""
    return f"{row['difference']:+.2f} [{row[f'{prefix}low']:+.2f}, {row[f'{prefix}high']:+.2f}]{note}"


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Return ``rows``, which share their keys, as a table in Markdown; None is an empty cell."""
    cells = [["" if value is None else str(value) for value in row.values()] for row in rows]
    lines = [list(rows[0]), ["---"] * len(rows[0]), *cells]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _over_seeds(by_seed: Mapping[int, float]) -> dict[str, Any]:
    numbers = spread(list(by_seed.values()))
    each = " ".join(f"{seed}:{value:.4f}" for seed, value in sorted(by_seed.items()))
    return {"oa": numbers["mean"], "std": numbers["std"], "runs": numbers["runs"], "oa_by_seed": each}


def _difference(result: Result, first: Result) -> dict[str, Any]:
    numbers = paired.difference(result.oa, first.oa, LEVEL)
    if result.data != first.data:
        raise ErktError(f"{result.run} and {first.run} were made from images of other content")
    for seed, images in result.images.items():
        if images != first.images[seed]:
            raise ErktError(f"{result.run} and {first.run} have other test images at seed {seed}")
    bounds = bootstrap(result.hits, first.hits, np.random.default_rng(0), LEVEL)
    row = dict(zip(_COMPARED, (numbers["mean"], numbers["low"], numbers["high"], *bounds, ""), strict=True))
    return row | {"verdict": verdict(row)}
