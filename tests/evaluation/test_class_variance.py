"""The parts of a variance against literal loops, closed forms, and the whole variance."""

import numpy as np
import pytest

from erkt.evaluation.class_variance import within_and_between


def made(seed: int, images: int = 40, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and shares; each image belongs to one or two classes."""
    random = np.random.default_rng(seed)
    alpha = random.uniform(size=images) * (random.uniform(size=images) < 0.7)
    shares = np.zeros((images, classes))
    for row, part in zip(shares, alpha, strict=True):
        row[random.integers(classes)] += 1 - part
        row[random.integers(classes)] += part
    return random.normal(size=(images, classes)) + 3 * shares, shares


def literal(scores: np.ndarray, shares: np.ndarray) -> tuple[float, float]:
    """Return the weighted parts, one image, class and column at a time."""
    images, columns = scores.shape
    within = between = 0.0
    for column in range(columns):
        mean = sum(scores[i, column] for i in range(images)) / images
        for k in range(shares.shape[1]):
            size = sum(shares[i, k] for i in range(images))
            if size == 0:
                continue
            own = sum(shares[i, k] * scores[i, column] for i in range(images)) / size
            between += size * (own - mean) ** 2 / images
            within += sum(shares[i, k] * (scores[i, column] - own) ** 2 for i in range(images)) / images
    return within, between


@pytest.mark.parametrize("seed", range(5))
def test_the_parts_are_what_loops_give_and_make_the_whole_variance(seed: int) -> None:
    scores, shares = made(seed)
    found = within_and_between(scores, shares)
    assert found == pytest.approx(literal(scores, shares), rel=1e-12)
    assert sum(found) == pytest.approx(scores.var(axis=0).sum(), rel=1e-12)


def test_whole_images_have_the_usual_parts() -> None:
    """Two classes at -1 and 1 of deviation 0.5 each: within 0.25, between 1; the third class is empty."""
    scores = np.array([[-1.5], [-0.5], [0.5], [1.5]])
    shares = np.eye(3)[[0, 0, 1, 1]]
    assert within_and_between(scores, shares) == (0.25, 1.0)


def test_an_image_in_two_classes_is_two_images_of_half_the_weight() -> None:
    scores, shares = np.array([[0.0], [4.0]]), np.array([[1.0, 0.0], [0.5, 0.5]])
    twice = np.array([[0.0], [0.0], [4.0], [4.0]]), np.eye(2)[[0, 0, 0, 1]]
    assert within_and_between(scores, shares) == pytest.approx(within_and_between(*twice), rel=1e-12)


def test_a_factor_changes_both_parts_alike_and_a_shift_neither() -> None:
    scores, shares = made(0)
    within, between = within_and_between(scores, shares)
    found = within_and_between(3 * scores + 7, shares)
    assert found == pytest.approx((9 * within, 9 * between), rel=1e-12)
