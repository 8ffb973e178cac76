"""The figures of one run, from its stored predictions, its networks and its images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from erkt.data.images import Subset
from erkt.evaluation import embedding
from erkt.evaluation.gradcam import heat, mean_heat
from erkt.evaluation.predictions import Predictions, first_of_each
from erkt.figures.confusion import confused_pairs, confusion_figure, hard_classes_figure
from erkt.figures.embedding import embedding_figure, overlapping_pairs
from erkt.figures.heat import Look, heat_figure
from erkt.figures.reliability import reliability_figure
from erkt.figures.samples import pairs_figure, samples_figure
from erkt.figures.views import views_figure
from erkt.networks.models import Classifier
from erkt.views.batches import ViewBatches

HARDEST = 5
"""Classes on which the heat is drawn."""

PAIRS = 6
"""Confused pairs whose images are drawn."""

SAMPLES = 5
"""Images of each class, and of each side of a pair."""

MAPPED = 60
"""Images of each class on the map of features."""

BATCH = 18
"""Views on a page, a batch of whole pairs."""


def draw_predictions(folder: Path, predicted: Predictions, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Draw ``confusion.png``, ``hard_classes.png`` and ``reliability.png``; return the confused pairs, the most frequent first."""
    confusion = predicted.confusion(len(classes)).tolist()
    confusion_figure(folder / "confusion.png", confusion, classes)
    hard_classes_figure(folder / "hard_classes.png", confusion, classes)
    reliability_figure(
        folder / "reliability.png",
        {
            "student": (predicted.student_confidence, predicted.student == predicted.labels),
            "ensemble": (predicted.ensemble_confidence, predicted.ensemble == predicted.labels),
        },
    )
    return confused_pairs(confusion, classes)


def draw_samples(folder: Path, images: Subset, confused: Sequence[Mapping[str, Any]]) -> None:
    """Draw ``samples.png``, the first images of every class, and ``pairs.png``, those of ``confused`` pairs."""
    firsts = first_of_each(images.labels, len(images.classes), SAMPLES)
    pictures = {
        name: list(images.pixels(places)) for name, places in zip(images.classes, firsts, strict=True)
    }
    samples_figure(folder / "samples.png", pictures)
    pairs_figure(
        folder / "pairs.png",
        [
            (pair["true"], pictures[pair["true"]], pair["predicted"], pictures[pair["predicted"]])
            for pair in confused[:PAIRS]
        ],
    )


def draw_features(
    folder: Path, student: Classifier, images: Subset, seed: int, device: torch.device
) -> list[dict[str, Any]]:
    """Draw ``features.png``; return the pairs of classes that overlap, the most first."""
    places = np.sort(np.concatenate(first_of_each(images.labels, len(images.classes), MAPPED)))
    some = Subset(
        images.rows[places],
        images.labels[places],
        tuple(images.keys[place] for place in places),
        images.classes,
        images.array,
    )
    points = embedding.features(student, some, MAPPED, device)
    pairs = overlapping_pairs(embedding.overlaps(points, some.labels, len(some.classes)), some.classes)
    mapped = embedding.flat_map(points, seed)
    embedding_figure(folder / "features.png", mapped, some.labels, some.classes, pairs)
    return pairs


def draw_heat(
    folder: Path,
    images: Subset,
    predicted: Predictions,
    student: Classifier,
    teachers: Mapping[str, Classifier],
    weights: Mapping[str, float],
) -> None:
    """Draw ``heat.png``: on the hardest classes, the images on which the student is surest, right and wrong."""
    rows = [
        tuple(predicted.surest(label, right=right) for right in (True, False))
        for label in predicted.hardest(len(images.classes), HARDEST)
    ]
    places = np.array([place for row in rows for place in row if place is not None], dtype=np.int64)
    looks: dict[int, Look] = {}
    if len(places):
        pixels = images.pixels(places)
        own = heat(student, pixels, predicted.student[places])
        theirs = mean_heat(teachers, weights, pixels, predicted.ensemble[places])
        for number, place in enumerate(places):
            looks[int(place)] = Look(
                pixels[number],
                true=images.classes[predicted.labels[place]],
                student=images.classes[predicted.student[place]],
                ensemble=images.classes[predicted.ensemble[place]],
                student_heat=own[number],
                ensemble_heat=theirs[number],
            )
    shown = [tuple(None if place is None else looks[place] for place in row) for row in rows]
    heat_figure(folder / "heat.png", [(right, wrong) for right, wrong in shown])


def draw_views(folder: Path, data: ViewBatches) -> None:
    """Draw ``views.png``: the first batch, each image before and after, with what was drawn for it."""
    view, order = data.epoch(0)
    positions = order[0]
    images, classes = data.subset.pixels(positions), data.subset.classes
    after = view.render(torch.from_numpy(images), positions).images.clamp(0, 1).mul(255).round()
    own, partners = (data.subset.labels[places] for places in (positions, view.partners[positions]))
    views_figure(
        folder / "views.png",
        images,
        after.to(torch.uint8).numpy(),
        view.draws.rows(positions),
        [classes[label] for label in own],
        [classes[label] for label in partners],
    )
