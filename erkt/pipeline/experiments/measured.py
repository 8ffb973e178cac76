"""What a finished run measured: read from files that git keeps of it, each checked against DVC's record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from erkt.errors import ErktError
from erkt.evaluation.paired import Bools, Scores
from erkt.evaluation.summary import summarize
from erkt.params.resizing import Resizing
from erkt.params.schema import build
from erkt.pipeline import paths
from erkt.pipeline.cells import Cell
from erkt.pipeline.experiments.runs import Together

_FORWARD_AND_BACKWARD = 3  # a backward pass costs two forward ones
_POINTS = 16  # at which an epoch's growing images are counted


@dataclass(frozen=True)
class Student:
    """What the student of a run reached, by seed, and what it cost.

    ``oa`` of the student and ``ensemble`` of its teachers in percent; ``hits`` and ``ensemble_hits`` whether
    each is right on each of the test ``images`` (their keys); ``data`` names the packed images' content.
    ``steps`` is how many batches the student learned from, None where no record tells. ``student_passes`` and
    ``teacher_passes`` are how often a training image went through the student (forward and backward) and
    through each teacher (forward) to distill; ``gmacs`` is what that costs per training image, a backward
    pass counted as two forward ones. ``run`` is DVC's name for the experiment and ``base`` the commit of its
    code.
    """

    label: str
    oa: Mapping[int, float]
    ensemble: Mapping[int, float]
    hits: Mapping[int, Bools]
    ensemble_hits: Mapping[int, Bools]
    images: Mapping[int, tuple[str, ...]]
    data: str
    steps: int | None
    student_passes: int
    teacher_passes: int
    gmacs: float
    run: str
    base: str

    def on(self, images: Mapping[int, tuple[str, ...]]) -> "Student":
        """Return the student on some of its test images alone: their keys by seed, in its own order."""
        rows = {seed: np.isin(self.images[seed], keys) for seed, keys in images.items()}
        hits = {seed: self.hits[seed][row] for seed, row in rows.items()}
        ensemble = {seed: self.ensemble_hits[seed][row] for seed, row in rows.items()}
        return replace(
            self,
            oa={seed: 100 * float(own.mean()) for seed, own in hits.items()},
            ensemble={seed: 100 * float(own.mean()) for seed, own in ensemble.items()},
            hits=hits,
            ensemble_hits=ensemble,
            images=images,
        )

    def scores(self) -> Scores:
        """Return the student's OA, to be compared."""
        return Scores(self.run, self.oa, self.hits, self.images)

    def ensemble_scores(self) -> Scores:
        """Return the OA of its teachers, to be compared."""
        return Scores(f"the ensemble of {self.run}", self.ensemble, self.ensemble_hits, self.images)


def student(run: Together, label: str) -> Student:
    """Return what the student of ``run`` reached at each seed, and what it cost."""
    seeds, teachers = list(run.by_seed), run.params["teachers"]
    reports = {seed: _evaluated(run, seed, paths.metrics("evaluate", str(seed))) for seed in seeds}
    rows = {seed: {row["network"]: row for row in report} for seed, report in reports.items()}
    predicted = {seed: _evaluated(run, seed, paths.predictions(seed)) for seed in seeds}
    weights = [row["ensemble"]["weights"] for row in rows.values()]
    used = [name for name in teachers if any(own[name] > 0 for own in weights)]
    classes = len({row["actual"] for table in predicted.values() for row in table})
    student_passes, teacher_passes = passes(run.params)
    return Student(
        label,
        oa={seed: row["student"]["oa"] for seed, row in rows.items()},
        ensemble={seed: row["ensemble"]["oa"] for seed, row in rows.items()},
        hits=_hits(predicted, "student"),
        ensemble_hits=_hits(predicted, "ensemble"),
        images={seed: tuple(row["key"] for row in table) for seed, table in predicted.items()},
        data=run.archive,
        steps=steps(run.params, len(next(iter(predicted.values())))),
        student_passes=student_passes,
        teacher_passes=teacher_passes,
        gmacs=distill_cost(run.params, used, classes) / 1e9,
        run=run.name,
        base=run.base,
    )


def networks(run: Together) -> dict[str, Any]:
    """Return ``teachers`` by name, ``ensemble`` and ``student`` over the seeds, as ``summarize`` does."""
    results = [_evaluated(run, seed, paths.metrics("evaluate", str(seed))) for seed in run.by_seed]
    teachers: dict[str, list[dict[str, Any]]] = {name: [] for name in run.params["teachers"]}
    for name, rows in teachers.items():
        for seed, one in run.by_seed.items():
            cell = Cell("evaluate_teacher", {"seed": str(seed), "teacher": name})
            rows += one.rows(paths.metrics("evaluate_teacher", cell.label), cell)
    return summarize(results, teachers)


def sweeps(run: Together) -> dict[int, list[dict[str, str]]]:
    """Return by seed the rows of the ensemble's sweep on the test part."""
    return {seed: _evaluated(run, seed, paths.test_sweep(seed)) for seed in run.by_seed}


def validated(run: Together, stage: str) -> dict[int, float]:
    """Return by seed the OA in percent on the validation part of the student or, by ``stage``, the ensemble.

    The student's is that after the last epoch. Raises ErktError if there was no validation part.
    """
    found = {}
    for seed, one in run.by_seed.items():
        cell = Cell(stage, {"seed": str(seed)})
        if stage == "distill":
            text = one.rows(paths.curves(seed, "student"), cell)[-1].get("val_oa")
        else:
            text = next(row["oa"] for row in one.rows(paths.sweep(seed), cell) if row["chosen"] == "1")
        if not text:
            raise ErktError(f"experiment {run.name}: seed {seed} has no validation part")
        found[seed] = float(text)
    return found


def agreement(run: Together, name: str) -> dict[int, float]:
    """Return by seed a figure of the stage measure; ErktError if it has none: one view has no variance."""
    found = {}
    for seed, one in run.by_seed.items():
        path = paths.metrics("measure", str(seed))
        found[seed] = one.rows(path, Cell("measure", {"seed": str(seed)}))[0][name]
    if None in found.values():
        raise ErktError("one view has no variance")
    return found


def passes(params: Mapping[str, Any]) -> tuple[int, int]:
    """Return how often a training image goes through the student and through each teacher to distill once."""
    distill, cache = params["distill"], params["cache"]
    epochs = distill["recipe"]["epochs"]
    if distill["loss"] == "none" or distill["loss_ratio"] == 2:
        return epochs, 0
    return epochs, len(cache["blocks"]) * cache["views_per_block"] or epochs


def steps(params: Mapping[str, Any], test_images: int) -> int | None:
    """Return how many batches a student learns from, beside so many test images; None for a published split.

    No record holds the number of training images, but ``split``'s percentages and the test images tell it: to
    one image as a rule, and to a few where duplicates are kept together. As an epoch takes or leaves half a
    batch, that rarely changes the number of its batches.
    """
    split, recipe = params["split"], params["distill"]["recipe"]
    train, more = split["train_percent"], split["unlabelled_percent"]
    if train is None:
        return None
    drawn = round(test_images * train / (100 - train - more))
    unlabelled = round(test_images * more / (100 - train - more))
    seen = drawn - round(drawn * split["val_percent"] / 100) + unlabelled
    whole, rest = divmod(seen, recipe["batch_size"])
    batches = max(whole + (2 * rest >= recipe["batch_size"]), 1)
    return int(recipe["epochs"] * batches)


def distill_cost(params: Mapping[str, Any], used: Sequence[str], classes: int) -> int:
    """Return multiply-accumulates a labelled training image to distill: student and the teachers ``used``.

    A backward pass counts as two forward ones; small images count as small. The unlabelled images that
    ``split`` draws are in it.
    """
    from erkt.networks import macs  # torch and timm, which nothing else here needs
    from erkt.training.resizing import side_at

    side, (epochs, views) = params["prepare"]["side"], passes(params)
    teachers = sum(macs.count_in(params["teachers"][name]["network"], classes, side)[0] for name in used)
    resizing = build(Resizing, params["distill"]["resizing"], "distill.resizing")
    points = [
        side_at(resizing, side, (point + 0.5) / (epochs * _POINTS)) for point in range(epochs * _POINTS)
    ]
    own = sum(macs.count_in(params["student"], classes, each)[0] for each in points) / _POINTS
    split = params["split"]
    more: float = split["unlabelled_percent"]
    if more:  # so the split is no published one
        more /= split["train_percent"] * (1 - split["val_percent"] / 100)
    return round((_FORWARD_AND_BACKWARD * own + views * teachers) * (1 + more))


def _hits(predicted: Mapping[int, Sequence[Mapping[str, str]]], who: str) -> dict[int, Bools]:
    return {seed: np.array([row[who] == row["actual"] for row in table]) for seed, table in predicted.items()}


def _evaluated(run: Together, seed: int, path: Path) -> list[dict[str, Any]]:
    return run.by_seed[seed].rows(path, Cell("evaluate", {"seed": str(seed)}))
