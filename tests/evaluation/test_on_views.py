"""What student and teachers say of the views, and of which classes these are, on the views themselves."""

import numpy as np
import torch
from made import batches, classifier

from erkt.data.index import NO_LABEL
from erkt.evaluation.on_views import OnViews, on_views


def test_student_and_teacher_see_the_same_pixels_image_by_image() -> None:
    """The student in evaluation mode (its dropout would show), rows in the order of the list."""
    data, student = batches(batch_size=6), classifier(seed=3).train()
    seen = on_views(student, lambda batch: batch.images.mean((2, 3)), data, [2, 0])
    for place, number in enumerate((2, 0)):
        everything = data.batch(data.view(number), np.arange(31))
        with torch.inference_mode():
            expected = classifier(seed=3).eval()(everything.images)
        np.testing.assert_allclose(seen.student[place], expected.numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(seen.teacher[place], everything.images.mean((2, 3)).numpy(), rtol=1e-6)


def test_labels_and_shares_are_those_of_each_image_and_its_partner() -> None:
    data = batches(batch_size=6)
    seen = on_views(classifier(), lambda batch: batch.images.mean((2, 3)), data, [1, 3])
    labels = np.arange(31) % 3
    assert seen.alpha.max() > 0, "nothing was mixed"
    for place, number in enumerate((1, 3)):
        view = data.view(number)
        np.testing.assert_array_equal(seen.label_a[place], labels)
        np.testing.assert_array_equal(seen.label_b[place], labels[view.partners])
        boxes = np.where(view.draws.cutmix, seen.alpha[place], 0)
        np.testing.assert_array_equal(seen.alpha[place], boxes, err_msg="an image that was not mixed")


def test_a_mixed_image_belongs_to_both_classes_by_its_share() -> None:
    """Whole, a quarter of class 2 in class 0, wholly covered, and mixed with its own class."""
    nothing = np.zeros((1, 4, 3), np.float32)
    label_a, label_b = np.array([[0, 0, 0, 1]]), np.array([[1, 2, 2, 1]])
    alpha = np.array([[0.0, 0.25, 1.0, 0.5]], np.float32)
    shares = OnViews(nothing, nothing, label_a, label_b, alpha).shares
    np.testing.assert_array_equal(shares, [[[1, 0, 0], [0.75, 0, 0.25], [0, 0, 1], [0, 1, 0]]])


def test_a_part_without_a_label_belongs_to_no_class() -> None:
    nothing = np.zeros((1, 3, 2), np.float32)
    label_a, label_b = np.array([[NO_LABEL, 0, NO_LABEL]]), np.array([[1, NO_LABEL, NO_LABEL]])
    shares = OnViews(nothing, nothing, label_a, label_b, np.float32([[0.25, 0.25, 0.5]])).shares
    np.testing.assert_array_equal(shares, [[[0, 0.25], [0.75, 0], [0, 0]]])
