import numpy as np
import torch
from made import CLASSES, classifier, subset
from sklearn.metrics import pairwise_distances
from torch import Tensor, nn

from erkt.evaluation.embedding import features, flat_map, overlaps

RNG = np.random.default_rng(0)


def test_neighbours_are_the_ten_nearest_others() -> None:
    points, labels = RNG.normal(size=(40, 5)).astype(np.float32), np.arange(40) % 3
    distance = pairwise_distances(points)
    np.fill_diagonal(distance, np.inf)
    near = distance.argsort(axis=1)[:, :10]
    shares = overlaps(points, labels, 4)
    for one in range(3):
        for other in range(3):
            assert np.isclose(shares[one, other], (labels[near[labels == one]] == other).mean())
    assert not shares[3].any(), "a class without points has no neighbours"


def test_a_map_is_the_same_for_a_seed_and_keeps_far_classes_apart() -> None:
    points = np.concatenate([RNG.normal(size=(30, 8)), 50 + RNG.normal(size=(30, 8))]).astype(np.float32)
    first, second = flat_map(points, 1), flat_map(points, 1)
    np.testing.assert_array_equal(first, second)
    between = np.linalg.norm(first[:30].mean(axis=0) - first[30:].mean(axis=0))
    assert between > 2 * max(first[:30].std(axis=0).max(), first[30:].std(axis=0).max())


def test_three_points_have_a_map() -> None:
    assert flat_map(RNG.normal(size=(3, 4)).astype(np.float32), 0).shape == (3, 2)


class Parted(nn.Module):
    """Colour means as features, in the two parts that timm's networks have."""

    def forward_features(self, images: Tensor) -> Tensor:
        return images

    def forward_head(self, activations: Tensor, pre_logits: bool = False) -> Tensor:
        return activations.mean((2, 3)) if pre_logits else activations.mean((2, 3)) * 2


def test_features_are_what_the_last_layer_sees_of_normalised_images_in_order() -> None:
    model = classifier()
    model.network = Parted()
    images = subset(13)
    found = features(model, images, 4, torch.device("cpu"))
    colours = images.pixels(range(13)).mean(axis=(2, 3)) / 255
    np.testing.assert_allclose(found, (colours - (0.5, 0.4, 0.3)) / (0.2, 0.3, 0.4), rtol=1e-4, atol=1e-4)
    assert found.shape == (13, len(CLASSES))
