"""The figures of a run, from networks, images and predictions as the stage has them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made import batches, subset

from erkt.evaluation import against_ensemble
from erkt.evaluation.predictions import Predictions
from erkt.figures import run_figures
from erkt.networks import models
from erkt.params.network import Network, Weights

IMAGES = subset(33)
NETWORK = Network("test_resnet", Weights("none", None, None, None), 0.0, 0.0)


@pytest.fixture
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[models.Classifier]:
    """Two networks as a stage loads them."""
    loaded = []
    for seed in range(2):
        folder = tmp_path_factory.mktemp("network")
        models.save_folder(models.build(NETWORK, IMAGES.classes, 32, seed, {}), folder)
        loaded.append(models.load_folder(folder, IMAGES.classes))
    return loaded


def predictions(wrong: int) -> Predictions:
    scores = 3 * np.eye(3)[IMAGES.labels]
    other = scores.copy()
    other[:wrong] = np.roll(other[:wrong], 1, axis=1)
    rows = against_ensemble.predictions(IMAGES, student=other, teacher=scores)
    return Predictions.read([{key: str(value) for key, value in row.items()} for row in rows], IMAGES.classes)


@pytest.mark.parametrize("wrong", [0, 5])
def test_all_figures_are_drawn_of_timms_networks(
    tmp_path: Path, networks: list[models.Classifier], wrong: int
) -> None:
    predicted, (student, teacher) = predictions(wrong), networks
    confused = run_figures.draw_predictions(tmp_path, predicted, IMAGES.classes)
    assert sum(pair["images"] for pair in confused) == wrong
    run_figures.draw_samples(tmp_path, IMAGES, confused)
    overlap = run_figures.draw_features(tmp_path, student, IMAGES, 0, torch.device("cpu"))
    assert all(0 < pair["percent"] <= 100 for pair in overlap)
    weights = {"one": 0.5, "two": 0.5}
    run_figures.draw_heat(tmp_path, IMAGES, predicted, student, {"one": student, "two": teacher}, weights)
    run_figures.draw_views(tmp_path, batches(count=33, batch_size=run_figures.BATCH))
    names = ("confusion", "features", "hard_classes", "heat", "pairs", "reliability", "samples", "views")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.png" for name in names]
