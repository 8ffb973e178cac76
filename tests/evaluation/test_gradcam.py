"""Grad-CAM finds the planted object: on a network made by hand, and on one that has learned it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from made import CARD
from torch import Tensor, nn

from erkt.evaluation.gradcam import heat, mean_heat
from erkt.networks import models
from erkt.networks.models import Card, Classifier
from erkt.params.network import Network, Weights

SIDE, SQUARE = 32, 8


class Small(nn.Module):
    """A convolutional network in the two parts that timm's have."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()
        )
        self.head = nn.Linear(16, 2)

    def forward_features(self, images: Tensor) -> Tensor:
        return self.body(images)

    def forward_head(self, activations: Tensor) -> Tensor:
        return self.head(activations.amax((2, 3)))


def planted(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return noise with a square that is red or blue (its class) somewhere, and the squares' corners."""
    rng = np.random.default_rng(seed)
    images = rng.integers(60, 160, (count, 3, SIDE, SIDE)).astype(np.uint8)
    labels, corners = rng.integers(0, 2, count), rng.integers(0, SIDE - SQUARE, (count, 2))
    for image, label, (y, x) in zip(images, labels, corners, strict=True):
        image[:, y : y + SQUARE, x : x + SQUARE] = 30
        image[2 * label, y : y + SQUARE, x : x + SQUARE] = 250
    return images, labels, corners


@pytest.fixture(scope="module")
def learned() -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        card = Card(CARD.arch, ("red", "blue"), SIDE, CARD.mean, CARD.std, "made")
        model = Classifier(Small(), card)
    images, labels, _ = planted(256, 0)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    batch, target = torch.from_numpy(images).float() / 255, torch.from_numpy(labels)
    for _ in range(40):
        maps = model.network.forward_features((batch - model.mean) / model.std)
        loss = F.cross_entropy(model.network.forward_head(maps), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2, "the network has not learned the squares"
    return model


def hits(found: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return whether the hottest pixel of each heat lies on its square, within the network's reach."""
    margin = 3
    hottest = np.stack(
        np.unravel_index(found.reshape(len(found), -1).argmax(axis=1), found.shape[1:]), axis=1
    )
    return ((hottest >= corners - margin) & (hottest < corners + SQUARE + margin)).all(axis=1)


def test_heat_lies_on_the_object_of_the_class(learned: Classifier) -> None:
    images, labels, corners = planted(20, 1)
    found = heat(learned, images, labels)
    assert found.shape == (20, SIDE, SIDE)
    assert 0 <= found.min() <= found.max() <= 1
    assert hits(found, corners).all()
    assert not hits(found, np.roll(corners, 1, axis=0)).all(), "anything would do"


def test_heat_does_not_depend_on_the_other_images(learned: Classifier) -> None:
    images, labels, _ = planted(4, 2)
    together = heat(learned, images, labels)
    for place in range(4):
        alone = heat(learned, images[place : place + 1], labels[place : place + 1])
        np.testing.assert_allclose(alone[0], together[place], atol=1e-4)


def test_the_ensembles_heat_is_the_weighted_mean_of_its_members(learned: Classifier) -> None:
    images, labels, _ = planted(3, 3)
    own = heat(learned, images, labels)
    both = mean_heat({"one": learned, "two": learned}, {"one": 0.25, "two": 0.75}, images, labels)
    np.testing.assert_allclose(both, own, atol=1e-6)
    nobody = mean_heat({"one": learned, "two": None}, {"one": 1.0, "two": 0.0}, images, labels)
    np.testing.assert_allclose(nobody, own, atol=1e-6)


def test_a_transformer_has_no_heat_and_breaks_nothing() -> None:
    settings = Network("test_vit", Weights("none", None, None, None), 0.0, 0.0)
    transformer = models.build(settings, ("red", "blue"), 160, 0, {})
    images = np.zeros((2, 3, 160, 160), np.uint8)
    assert np.isnan(heat(transformer, images, np.array([0, 1]))).all()
