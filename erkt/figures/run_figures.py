"""The figures of one run, from its stored predictions, its networks and its images."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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

HARDEST = 5  # classes on which the heat is drawn
PAIRS = 6  # confused pairs whose images are drawn
SAMPLES = 5  # images of each class, and of each side of a pair
MAPPED = 60  # images of each class on the map of features
BATCH = 18  # views on a page, a batch of whole pairs


def draw_predictions(folder: Path, predicted: Predictions) -> list[dict[str, Any]]:
    """Draw ``confusion.png``, ``hard_classes.png`` and ``reliability.png``; return the confused pairs."""
    confusion, classes = predicted.confusion(), predicted.classes
    confusion_figure(folder / "confusion.png", confusion, classes)
    hard_classes_figure(folder / "hard_classes.png", confusion, classes)
    curves = {
        "student": (predicted.student_confidence, predicted.student == predicted.labels),
        "ensemble": (predicted.ensemble_confidence, predicted.ensemble == predicted.labels),
    }
    reliability_figure(folder / "reliability.png", curves)
    return confused_pairs(confusion, classes)


def draw_samples(folder: Path, images: Subset, confused: Sequence[Mapping[str, Any]]) -> None:
    """Draw ``samples.png``, the first images of each class, and ``pairs.png``, those of confused pairs."""
    places = first_of_each(images.labels, SAMPLES)
    labels, pixels = images.labels[places], images.pixels(places)
    pictures = {name: list(pixels[labels == label]) for label, name in enumerate(images.classes)}
    samples_figure(folder / "samples.png", pictures)
    pairs = [(pair["true"], pair["predicted"]) for pair in confused[:PAIRS]]
    pairs_figure(folder / "pairs.png", pairs, pictures)


def draw_features(
    folder: Path, student: Classifier, images: Subset, seed: int, device: torch.device
) -> list[dict[str, Any]]:
    """Draw ``features.png``; return the pairs of classes that overlap, the most first."""
    places, classes = first_of_each(images.labels, MAPPED), images.classes
    rows, labels = images.rows[places], images.labels[places]
    some = replace(images, rows=rows, labels=labels, keys=tuple(images.keys[place] for place in places))
    points = embedding.features(student, some, MAPPED, device)
    pairs = overlapping_pairs(embedding.overlaps(points, labels, len(classes)), classes)
    embedding_figure(folder / "features.png", embedding.flat_map(points, seed), labels, classes, pairs)
    return pairs


def draw_heat(
    folder: Path,
    images: Subset,
    predicted: Predictions,
    student: Classifier,
    teachers: Mapping[str, Classifier],
    weights: Mapping[str, float],
) -> None:
    """Draw ``heat.png``: the hardest classes, each with the images of which the student is surest."""
    classes = images.classes

    def look(place: int | None) -> Look | None:
        if place is None:
            return None
        pixels, said, theirs = images.pixels([place]), predicted.student[[place]], predicted.ensemble[[place]]
        networks = {
            "student": (classes[said[0]], heat(student, pixels, said)[0]),
            "ensemble": (classes[theirs[0]], mean_heat(teachers, weights, pixels, theirs)[0]),
        }
        return Look(pixels[0], classes[predicted.labels[place]], networks)

    rows = [
        (look(predicted.surest(label, right=True)), look(predicted.surest(label, right=False)))
        for label in predicted.hardest(HARDEST)
    ]
    heat_figure(folder / "heat.png", rows)


def draw_views(folder: Path, data: ViewBatches) -> None:
    """Draw ``views.png``: the first batch, each image before and after, with what was drawn for it."""
    view, order = data.epoch(0, data.views)
    positions, subset = order[0], data.subset
    images = subset.pixels(positions)
    after = view.render(torch.from_numpy(images), positions).images.clamp(0, 1).mul(255).round()
    own, partners = (
        [subset.classes[label] for label in subset.labels[places]]
        for places in (positions, view.partners[positions])
    )
    draws = view.draws.rows(positions)
    views_figure(folder / "views.png", images, after.to(torch.uint8).numpy(), draws, own, partners)
