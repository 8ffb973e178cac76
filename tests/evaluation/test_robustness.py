"""Corruptions against numpy, their order, and what is measured on them."""

import numpy as np
import pytest
import torch
from made import classifier, subset
from scipy import ndimage

from erkt.ensemble.mixing import combine
from erkt.evaluation.corruptions import Condition, conditions
from erkt.evaluation.robustness import measure
from erkt.evaluation.robustness_table import means, need_corners
from erkt.networks.inference import predict

SIDE = 48
RNG = np.random.default_rng(0)
SMOOTH = np.stack([ndimage.gaussian_filter(RNG.uniform(40, 200, (SIDE, SIDE)), 2) for _ in range(3)])
IMAGE = torch.from_numpy(((SMOOTH - SMOOTH.min()) / np.ptp(SMOOTH) * 200 + 30).astype(np.uint8))[None]
BY_KIND: dict[str, list[Condition]] = {}
for one in conditions(SIDE, 3):
    BY_KIND.setdefault(one.kind, []).append(one)


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_corruption_gives_images_of_the_same_kind_whatever_lies_beside_them(kind: str) -> None:
    batch = torch.cat([IMAGE, IMAGE.flip(3), IMAGE.flip(2)])
    for condition in BY_KIND[kind]:
        together = condition.apply(batch)
        assert (together.dtype, together.shape) == (torch.uint8, batch.shape)
        assert torch.equal(condition.apply(batch[1:2]), together[1:2])
        assert torch.equal(condition.apply(batch), together), "it differs from time to time"
        assert torch.equal(batch[:1], IMAGE), "it wrote into its input"


@pytest.mark.parametrize("kind", ["blur", "jpeg", "noise", "haze"])
def test_a_stronger_one_is_farther_from_the_image(kind: str) -> None:
    far = [float((one.apply(IMAGE).float() - IMAGE.float()).abs().mean()) for one in BY_KIND[kind]]
    assert len(far) == 5
    assert far == sorted(far)
    assert far[0] > 0


def test_rotations_by_quarter_turns_are_exact() -> None:
    assert [condition.strength for condition in BY_KIND["rotation"]] == list(range(15, 360, 15))
    for condition in BY_KIND["rotation"]:
        if condition.strength % 90 == 0:
            turned = np.rot90(IMAGE.numpy(), int(condition.strength // 90), axes=(2, 3))
            np.testing.assert_array_equal(condition.apply(IMAGE).numpy(), turned)


def test_what_strengths_mean() -> None:
    image = IMAGE.numpy().astype(float)
    for condition in BY_KIND["brightness"]:
        expected = np.clip(image * condition.strength, 0, 255)
        np.testing.assert_allclose(condition.apply(IMAGE).numpy(), expected, atol=1)
    for condition in BY_KIND["haze"]:
        expected = image * (1 - condition.strength) + 255 * condition.strength
        np.testing.assert_allclose(condition.apply(IMAGE).numpy(), expected, atol=0.51)
    for condition in BY_KIND["blur"]:
        sigma = condition.strength * SIDE / 100
        expected = ndimage.gaussian_filter(image, (0, 0, sigma, sigma), mode="mirror", truncate=3)
        np.testing.assert_allclose(condition.apply(IMAGE).numpy(), expected, atol=2)
    for condition in BY_KIND["noise"]:
        added = condition.apply(IMAGE).numpy() - image
        inside = (image > 100) & (image < 150)
        assert added[inside].std() == pytest.approx(condition.strength, rel=0.1)


NETWORKS = {name: classifier(seed) for seed, name in enumerate(("student", "one", "two"))}
WEIGHTS = {"one": 0.4, "two": 0.6}


def test_the_first_row_is_of_the_images_as_they_are_and_batches_change_nothing() -> None:
    images, cpu = subset(20), torch.device("cpu")
    given = {"weights": WEIGHTS, "space": "logits", "images": images, "seed": 0, "device": cpu}
    rows = measure(NETWORKS, batch_size=7, **given)
    logits = {name: predict(network, images, 20, cpu) for name, network in NETWORKS.items()}
    logits["ensemble"] = combine({name: logits[name] for name in WEIGHTS}, WEIGHTS, "logits")
    for name, scores in logits.items():
        assert rows[0][name] == pytest.approx(100 * (scores.argmax(axis=1) == images.labels).mean())
    assert rows == measure(NETWORKS, batch_size=20, **given)
    assert len(rows) == 1 + 23 + 5 * 5


def test_the_mean_weighs_every_kind_alike() -> None:
    oa = {"none": [90.0], "x": [10.0, 30.0], "y": [60.0]}
    rows = [{"kind": kind, "a": value} for kind, values in oa.items() for value in values]
    assert means(rows, ["a"]) == [{"network": "a", "clean": 90.0, "oa": 40.0, "x": 20.0, "y": 60.0}]


def test_a_network_that_needs_black_corners_is_named_and_quarter_turns_do_not_count() -> None:
    rows = [
        {"kind": kind, "strength": strength, "spoiled": spoiled, "sound": 90.0}
        for kind, strength, spoiled in [
            ("none", 0, 88.0),
            ("rotation", 15, 90.0),
            ("rotation", 90, 0.0),
            ("rotation", 345, 91.0),
            ("blur", 1.0, 100.0),
        ]
    ]
    assert need_corners(rows, ["spoiled", "sound"]) == {"spoiled": 2.5}
    assert need_corners(rows, ["spoiled"], points=3.0) == {}
