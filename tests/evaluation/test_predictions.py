from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from erkt.data.images import Subset
from erkt.errors import ErktError
from erkt.evaluation import against_ensemble
from erkt.evaluation.metrics import expected_calibration_error, softmax
from erkt.evaluation.predictions import Predictions, first_of_each
from erkt.figures.confusion import confused_pairs
from erkt.figures.embedding import overlapping_pairs
from erkt.figures.reliability import calibration_bins

CLASSES = ("a", "b", "c")
RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 3, 60)
STUDENT, ENSEMBLE = (RNG.normal(size=(60, 3)) + 1.5 * np.eye(3)[LABELS] for _ in range(2))
KEYS = [f"{CLASSES[label]}/{place}.png" for place, label in enumerate(LABELS)]

TEST = Subset(np.arange(60), LABELS, tuple(KEYS), CLASSES, np.zeros((60, 3, 8, 8), np.uint8))


def predictions() -> Predictions:
    rows = against_ensemble.predictions(TEST, student=STUDENT, teacher=ENSEMBLE)
    return Predictions.read([{key: str(value) for key, value in row.items()} for row in rows], CLASSES)


def test_predictions_come_back_from_text() -> None:
    read = predictions()
    assert read.keys == tuple(KEYS)
    for name, scores in (("student", STUDENT), ("ensemble", ENSEMBLE)):
        np.testing.assert_array_equal(getattr(read, name), scores.argmax(axis=1))
        np.testing.assert_allclose(getattr(read, f"{name}_confidence"), softmax(scores).max(axis=1))
    np.testing.assert_array_equal(read.labels, LABELS)


def test_a_table_that_holds_no_predictions_is_named(tmp_path: Path) -> None:
    path = tmp_path / "0.csv"
    for text in (None, "key,actual\nx,a\n", "key,actual,student,ensemble\nx,nobody,a,a\n"):
        if text is not None:
            path.write_text(text, encoding="utf-8")
        with pytest.raises(ErktError, match=r"0\.csv: not readable as predictions"):
            Predictions.load(path, CLASSES)


def test_the_confusion_is_sklearns_and_its_pairs_are_those_off_the_diagonal() -> None:
    matrix = predictions().confusion(3)
    np.testing.assert_array_equal(matrix, confusion_matrix(LABELS, STUDENT.argmax(axis=1)))
    pairs = confused_pairs(matrix.tolist(), CLASSES)
    assert sum(pair["images"] for pair in pairs) == (STUDENT.argmax(axis=1) != LABELS).sum()
    assert [pair["percent"] for pair in pairs] == sorted((pair["percent"] for pair in pairs), reverse=True)
    for pair in pairs:
        row, column = CLASSES.index(pair["true"]), CLASSES.index(pair["predicted"])
        assert pair["percent"] == pytest.approx(100 * matrix[row, column] / (row == LABELS).sum())


def test_the_hardest_classes_have_the_lowest_recall_and_perfect_ones_are_none() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    student = np.array([0, 0, 0, 0, 2, 1])
    confidence = np.array([0.5, 0.9, 0.6, 0.7, 0.8, 0.4])
    made = Predictions(("",) * 6, labels, student, labels, confidence, confidence)
    assert made.hardest(3, 5) == [1, 2]
    assert made.hardest(3, 1) == [1]
    assert (made.surest(0, right=True), made.surest(1, right=False)) == (1, 3)
    assert made.surest(0, right=False) is made.surest(1, right=True) is None


def test_the_first_images_of_each_class_are_those_of_the_list() -> None:
    for label, places in enumerate(first_of_each(LABELS, 3, 4)):
        assert places.tolist() == [place for place, own in enumerate(LABELS) if own == label][:4]


def test_the_bins_of_the_diagram_make_the_ece() -> None:
    probabilities = softmax(STUDENT)
    share, sure, right = calibration_bins(probabilities.max(axis=1), probabilities.argmax(axis=1) == LABELS)
    assert share.sum() == pytest.approx(1)
    ece = 100 * (share * np.abs(right - sure)).sum()
    assert ece == pytest.approx(expected_calibration_error(probabilities, LABELS))


def test_overlap_is_the_mean_of_both_directions() -> None:
    shares = np.array([[0.8, 0.2, 0.0], [0.4, 0.6, 0.0], [0.0, 0.0, 1.0]])
    assert overlapping_pairs(shares, CLASSES) == [{"one": "a", "other": "b", "percent": pytest.approx(30)}]
