"""The deviation of the teacher's mean probability against its authors' computation, and closed forms."""

import numpy as np
import pytest
from made import batches

from erkt.evaluation.mean_probability import SUBSET, mean_probability_std, random_subsets


def authors(probabilities: list[np.ndarray]) -> float:
    """Return the figure as helper/loops.py of Good-DA-in-KD prints it, from the teacher's softmax."""
    all_avg_prob = []
    for prob in probabilities:  # (images of the subset, classes)
        total = np.zeros(prob.shape[1])
        for row in prob:
            total += row
        all_avg_prob.append(total / len(prob))
    number, classes = len(all_avg_prob), len(all_avg_prob[0])
    avg_prob_std = []
    for c in range(classes):
        mean = sum(each[c] for each in all_avg_prob) / number
        squares = sum((each[c] - mean) ** 2 for each in all_avg_prob)
        avg_prob_std.append((squares / (number - 1)) ** 0.5)  # torch.std is the unbiased one
    return sum(avg_prob_std) / classes


def test_the_figure_is_its_authors() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.full(4, 0.3), size=(2, 20))
    subsets = [[np.array([3, 17, 0, 5, 9]), np.array([1, 2, 4, 6, 7])], [np.array([19, 8, 3, 0, 11])]]
    listed = [probabilities[v][places] for v, of in enumerate(subsets) for places in of]
    assert mean_probability_std(probabilities, subsets) == pytest.approx(authors(listed), rel=1e-12)


def test_equal_means_have_no_deviation_however_unlike_the_images_are() -> None:
    probabilities = np.tile(np.eye(2)[[0, 1]], (1, 4, 1))
    pairs = [[np.array([2 * place, 2 * place + 1]) for place in range(4)]]
    assert mean_probability_std(probabilities, pairs) == 0
    one = [[np.array([2 * place, 2 * place]) for place in range(2)] + [np.array([1, 1]), np.array([3, 3])]]
    assert mean_probability_std(probabilities, one) == pytest.approx(np.std([0, 0, 1, 1], ddof=1))


def test_one_subset_has_no_deviation() -> None:
    assert mean_probability_std(np.full((1, 4, 2), 0.5), [[np.arange(4)]]) is None


def test_subsets_are_whole_pairs_once_each_and_the_same_for_every_batch_size() -> None:
    found, other = (random_subsets(batches(size, count=150), [1, 3]) for size in (8, 30))
    for view, subsets, same in zip((1, 3), found, other, strict=True):
        partners = batches(count=150).view(view).partners
        assert [len(subset) for subset in subsets] == [SUBSET, SUBSET]
        assert len(np.unique(np.concatenate(subsets))) == 2 * SUBSET
        for subset, again in zip(subsets, same, strict=True):
            assert set(partners[subset]) == set(subset)
            np.testing.assert_array_equal(subset, again)
    assert not np.array_equal(found[0][0], found[1][0])


def test_a_small_training_set_has_no_subsets() -> None:
    assert random_subsets(batches(count=31), [0]) == [[]]
