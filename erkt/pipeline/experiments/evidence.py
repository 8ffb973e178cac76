"""What a finished run shows: read from the files that git keeps of it, each checked against DVC's record."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from erkt.params.economy import Economy
from erkt.params.schema import build
from erkt.pipeline import paths
from erkt.pipeline.cells import Cell
from erkt.pipeline.experiments.comparison import Result
from erkt.pipeline.experiments.history import Run

_FORWARD_AND_BACKWARD = 3  # a backward pass costs two forward ones
_POINTS = 16  # at which an epoch's growing images are counted


def result(run: Run, params: Mapping[str, Any], label: str) -> Result:
    """Return what the student of ``run`` reached at each seed, and what it cost."""
    rows, predictions = {}, {}
    for seed in params["seeds"]:
        cell = Cell("evaluate", {"seed": str(seed)})
        rows[seed] = {row["network"]: row for row in run.rows(paths.metrics("evaluate", str(seed)), cell)}
        predictions[seed] = run.rows(paths.predictions(seed), cell)
    used = [
        name
        for name in params["teachers"]
        if any(row["ensemble"]["weights"][name] > 0 for row in rows.values())
    ]
    student, teacher = passes(params)
    classes = len({row["actual"] for table in predictions.values() for row in table})
    return Result(
        label,
        oa={seed: row["student"]["oa"] for seed, row in rows.items()},
        ensemble={seed: row["ensemble"]["oa"] for seed, row in rows.items()},
        hits={
            seed: np.array([row["student"] == row["actual"] for row in table])
            for seed, table in predictions.items()
        },
        images={seed: tuple(row["key"] for row in table) for seed, table in predictions.items()},
        data=next(out["md5"] for out in run.lock["prepare"]["outs"]),
        student_passes=student,
        teacher_passes=teacher,
        gmacs=distill_cost(params, used, classes) / 1e9,
        run=run.name,
        base=run.base,
    )


def networks(run: Run, params: Mapping[str, Any]) -> tuple[dict[str, dict[int, float]], dict[str, int]]:
    """Return OA by network and seed, and the parameters of each: teachers, ensemble, student, in this order.

    The ensemble's are those of teachers with a weight above 0 at any seed.
    """
    oa: dict[str, dict[int, float]] = {name: {} for name in [*params["teachers"], "ensemble", "student"]}
    parameters, used = {}, set()
    for seed in params["seeds"]:
        for name in params["teachers"]:
            cell = Cell("evaluate_teacher", {"seed": str(seed), "teacher": name})
            row = run.rows(paths.metrics("evaluate_teacher", cell.label), cell)[0]
            oa[name][seed], parameters[name] = row["oa"], row["parameters"]
        cell = Cell("evaluate", {"seed": str(seed)})
        for row in run.rows(paths.metrics("evaluate", cell.label), cell):
            oa[row["network"]][seed] = row["oa"]
            if row["network"] == "student":
                parameters["student"] = row["parameters"]
            else:
                used |= {name for name, weight in row["weights"].items() if weight > 0}
    parameters["ensemble"] = sum(parameters[name] for name in used)
    return oa, parameters


def weights(run: Run, params: Mapping[str, Any]) -> dict[int, list[dict[str, str]]]:
    """Return by seed the rows of the ensemble's sweep on the test part."""
    return {
        seed: run.rows(paths.test_sweep(seed), Cell("evaluate", {"seed": str(seed)}))
        for seed in params["seeds"]
    }


def passes(params: Mapping[str, Any]) -> tuple[int, int]:
    """Return how often a training image goes through the student and through each teacher to distill once."""
    distill, cache = params["distill"], params["cache"]
    epochs = distill["recipe"]["epochs"]
    if distill["loss"] == "none" or distill["loss_ratio"] == 2:
        return epochs, 0
    return epochs, len(cache["blocks"]) * cache["views_per_block"] or epochs


def distill_cost(params: Mapping[str, Any], used: Sequence[str], classes: int) -> int:
    """Return multiply-accumulates a training image to distill once: student and the teachers ``used``.

    A backward pass counts as two forward ones; small images count as small.
    """
    from erkt.networks import macs  # torch and timm, which nothing else here needs
    from erkt.training.economy import side_at

    side, (epochs, views) = params["prepare"]["side"], passes(params)
    teachers = sum(macs.count(params["teachers"][name]["network"]["arch"], classes, side)[0] for name in used)
    economy = build(Economy, params["distill"]["economy"], "distill.economy")
    points = [side_at(economy, side, (point + 0.5) / (epochs * _POINTS)) for point in range(epochs * _POINTS)]
    own = sum(macs.count(params["student"]["arch"], classes, each)[0] for each in points) / _POINTS
    return round(_FORWARD_AND_BACKWARD * own + views * teachers)
