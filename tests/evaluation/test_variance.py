"""Variances and distances against numpy loops and closed forms, and on the views themselves."""

import numpy as np
import pytest
import torch
from made import batches, classifier
from scipy.special import softmax

from erkt.evaluation import variance


def logits(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(4, 6, 3)).astype(np.float32)


LABELS = np.array([0, 2, 0, 2, 2, 0])


def test_a_report_is_what_loops_over_images_views_and_classes_give() -> None:
    student, teacher = logits(1), logits(2)
    found = variance.report(student, teacher, LABELS)
    for name in ("logits", "probabilities"):
        own, theirs = (
            softmax(scores.astype(np.float64), axis=2)
            if name == "probabilities"
            else scores - scores.astype(np.float64).mean(axis=2, keepdims=True)
            for scores in (student, teacher)
        )
        across = [sum(np.var(theirs[:, i, c], ddof=1) for c in range(3)) for i in range(6)]
        within = [
            sum(
                np.var([theirs[v, i, c] for v in range(4) for i in range(6) if LABELS[i] == k])
                for c in range(3)
            )
            for k in (0, 2)
        ]
        apart = [sum((own[v, i] - theirs[v, i]) ** 2) for v in range(4) for i in range(6)]
        assert found[f"{name}_across_views"] == pytest.approx(np.mean(across))
        assert found[f"{name}_within_class"] == pytest.approx(np.mean(within))
        assert found[f"{name}_distance"] == pytest.approx(np.mean(apart))
    same = [student[v, i].argmax() == teacher[v, i].argmax() for v in range(4) for i in range(6)]
    assert found["agreement"] == pytest.approx(100 * np.mean(same))


def test_an_image_without_a_label_counts_in_all_but_what_is_within_a_class() -> None:
    student, teacher, labels = logits(1), logits(2), LABELS.copy()
    labels[[1, 5]] = -1
    found = variance.report(student, teacher, labels)
    whole = variance.report(student, teacher, LABELS)
    known = variance.report(student[:, labels >= 0], teacher[:, labels >= 0], LABELS[labels >= 0])
    for name, value in found.items():
        assert value == (known if name.endswith("within_class") else whole)[name]
    assert known["logits_within_class"] != whole["logits_within_class"]


def test_what_says_nothing_about_classes_is_no_deviation() -> None:
    teacher = logits(1)
    shifts = np.random.default_rng(0).normal(size=(4, 6, 1)).astype(np.float32)
    found = variance.report(teacher + shifts, teacher, LABELS)
    assert found["logits_distance"] == pytest.approx(0, abs=1e-10)
    assert found["probabilities_distance"] == pytest.approx(0, abs=1e-10)
    assert found["agreement"] == 100


def test_one_view_has_no_variance_over_views() -> None:
    assert variance.report(logits(1)[:1], logits(2)[:1], LABELS)["logits_across_views"] is None


def test_student_and_teacher_see_the_same_pixels_image_by_image() -> None:
    """The student in evaluation mode (its dropout would show), rows in the order of the list."""
    data, student = batches(batch_size=6), classifier(seed=3).train()
    own, theirs = variance.on_views(student, lambda batch: batch.images.mean((2, 3)), data, [2, 0])
    for place, number in enumerate((2, 0)):
        everything = data.batch(data.view(number), np.arange(31))
        with torch.inference_mode():
            expected = classifier(seed=3).eval()(everything.images)
        np.testing.assert_allclose(own[place], expected.numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(theirs[place], everything.images.mean((2, 3)).numpy(), rtol=1e-6)
