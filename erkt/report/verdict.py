"""The verdict in words: which student, how good, how sure, against what, at what cost, where weak."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from erkt.evaluation.paired import Difference
from erkt.report import words
from erkt.report.charts import by_kind
from erkt.report.classes import Hard, Mistake
from erkt.report.facts import Facts
from erkt.report.lineage import Lineage, Speed
from erkt.report.networks import Compared

_FEW = 3


@dataclass(frozen=True)
class Tile:
    """A large number, what it is, and what it is to be seen with."""

    number: str
    label: str
    beside: str


@dataclass(frozen=True)
class Said:
    """An answer to one question."""

    question: str
    answer: str


def tiles(facts: Facts, rows: Sequence[Compared], gap: Difference, hard: Sequence[Hard]) -> list[Tile]:
    """Return the four numbers that come first."""
    student, ensemble, *_ = rows
    smaller = f"{words.percent(100 * student.parameters / ensemble.parameters, 0)} of the ensemble's"
    found = [
        Tile(
            words.percent(student.oa.mean),
            "of the test images right",
            f"95\u00a0% interval {words.between(student.oa)}",
        ),
        Tile(
            words.signed(gap.mean),
            f"points against its ensemble, {words.percent(ensemble.oa.mean)}",
            f"interval {words.interval(gap)}" if gap.bounds else "no interval",
        ),
        Tile(words.millions(student.parameters), "million parameters", smaller),
    ]
    if hard and hard[0].of.recall:
        recall = hard[0].of.recall
        found.append(
            Tile(
                words.percent(recall.mean),
                f"of the hardest class found: {hard[0].of.name}",
                f"95\u00a0% interval {words.between(recall)}",
            )
        )
    return found


def headline(rows: Sequence[Compared], gap: Difference, lineage: Lineage) -> str:
    """Return the verdict in one sentence."""
    student, ensemble, *_ = rows
    whom = "the ensemble that taught it" if lineage.taught else "the ensemble"
    share = words.percent(100 * student.parameters / ensemble.parameters, 0)
    return (
        f"Right on {words.percent(student.oa.mean)} of the test images: {words.side(gap)} {whom}, "
        f"with {share} of its parameters."
    )


def sentences(
    facts: Facts,
    rows: Sequence[Compared],
    gap: Difference,
    hard: Sequence[Hard],
    mistake: Mistake | None,
    lineage: Lineage,
    speed: Speed | None,
) -> list[Said]:
    """Return the verdict, a question at a time."""
    found = [
        Said("Which student", _which(facts, rows, lineage)),
        Said("How good", _how_good(facts, rows)),
        Said("How sure", _how_sure(rows)),
        Said("Against what", _against(rows, gap)),
        Said("At what cost", _cost(facts, rows, speed)),
        Said("Where weak", _weak(facts, hard, mistake, stressed(facts, lineage))),
    ]
    trust = _trust(facts)
    return [*found, Said("When to trust it", trust)] if trust else found


def _which(facts: Facts, rows: Sequence[Compared], lineage: Lineage) -> str:
    student, teachers = rows[0], words.count(len(rows) - 2, "teacher")
    name = f"{facts.card.arch}, a" if facts.card else "A"
    text = f"{name} network of {words.millions(student.parameters)} million parameters for "
    text += f"{words.count(len(facts.classes), 'class', 'classes')} of {lineage.dataset}. "
    learned = "on images with labels"
    if facts.card and facts.card.training:
        training = facts.card.training
        learned = f"from {words.count(training.images, 'labelled image')}"
        learned += f" and {training.unlabelled:,} without a label" if training.unlabelled else ""
    if lineage.taught:
        return f"{text}It was trained {learned} and by an ensemble of {teachers}."
    return f"{text}It was trained {learned} alone; no teacher had a part in it."


def _how_good(facts: Facts, rows: Sequence[Compared]) -> str:
    oa, labels = rows[0].oa, facts.first.predicted.labels
    guessing = 100 * float(np.bincount(labels).max()) / len(labels)
    images = words.count(len(labels), "test image")
    of = f"{images}, kept apart from all training"
    if oa.runs > 1:
        of = f"the {images} of each run, kept apart from its training"
    return (
        f"It names the right class for {words.percent(oa.mean)} of {of}. "
        f"Naming always the commonest class would be right for {words.percent(guessing)}."
    )


def _how_sure(rows: Sequence[Compared]) -> str:
    oa = rows[0].oa
    if oa.std is None:
        return (
            f"The 95\u00a0% interval is {words.between(oa)}, by the number of test images alone. This is one "
            "run: how much another split and another start would change is not known. Three seeds would tell."
        )
    return (
        f"{oa.runs} runs with other splits and starts deviate by {oa.std:.2f} points. The interval of their "
        f"mean is {words.between(oa)} (95\u00a0%)."
    )


def _against(rows: Sequence[Compared], gap: Difference) -> str:
    _, ensemble, *teachers = rows
    place = words.side(gap)
    beside = f" {words.interval(gap)}" if gap.bounds else ""
    text = (
        f"The ensemble, all its teachers together, reaches {words.percent(ensemble.oa.mean)}. The student is "
        f"{place}{' it' if place[0].isdigit() else ' that'}{beside}; {words.judged(gap)}. "
    )
    best = teachers[0]
    which = "The best single teacher" if len(teachers) > 1 else "The teacher"
    return f"{text}{which}, {best.name}, reaches {words.percent(best.oa.mean)}."


def _cost(facts: Facts, rows: Sequence[Compared], speed: Speed | None) -> str:
    student, ensemble, *_ = rows
    times = ensemble.parameters / student.parameters
    text = f"The student runs alone, with {words.millions(student.parameters)} million parameters where the "
    text += f"ensemble has {words.millions(ensemble.parameters)}: {times:.1f} times fewer. "
    if facts.first.file_bytes:
        text += f"As an ONNX file it takes {words.size(facts.first.file_bytes)}. "
    if speed:
        text += f"An image of {speed.side} pixels takes {speed.student:.2f} ms on {speed.device}, "
        text += f"{speed.ratio:.1f} times less than with the ensemble."
    return text.rstrip()


def stressed(facts: Facts, lineage: Lineage) -> int:
    """Return how many test images of a run were corrupted, as its params say."""
    return len(facts.first.predicted.first_of_each(lineage.params["stress"]["images_per_class"]))


def _weak(facts: Facts, hard: Sequence[Hard], mistake: Mistake | None, corrupted: int) -> str:
    shown = [
        f"{one.of.name} ({words.percent(one.of.recall.mean)} found)" for one in hard[:_FEW] if one.of.recall
    ]
    if not shown or mistake is None:
        return "No test image was classified wrongly."
    text = f"Hardest {'is' if len(shown) == 1 else 'are'} {words.listed(shown)}. "
    text += f"The commonest mistake: {mistake.true} taken for {mistake.said.name}, "
    text += f"{words.percent(mistake.said.percent)} of its images."
    seeds = [one.robustness for one in facts.seeds.values()]
    if all(seeds):
        row = by_kind(seeds)[0]
        text += f" Of corruptions, {row['kind']} hurts most: {words.percent(row['student'])} are right on "
        text += f"average, where {words.percent(row['clean'])} are on the same "
        text += f"{words.count(corrupted, 'image')}{' of a run' if len(seeds) > 1 else ''} untouched."
    return text


def _trust(facts: Facts) -> str | None:
    found = facts.card.calibration if facts.card else None
    if found is None:
        return None
    part = f"the {words.count(found.images, 'image')} of the {found.part} part"
    if found.threshold is None or found.coverage is None or found.accuracy is None:
        return f"No probability is known above which {words.percent(found.aim, 0)} are right, by {part}."
    return (
        f"Of predictions with a calibrated probability of {words.percent(100 * found.threshold)} or more, "
        f"{words.percent(found.accuracy)} were right; these are {words.percent(found.coverage)} of {part}. "
        "Below that, let a person look. The probability was chosen on the same images: expect fewer right on "
        "others."
    )
