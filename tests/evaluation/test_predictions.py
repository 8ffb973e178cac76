from pathlib import Path

import numpy as np
import pytest

from erkt.data.images import Subset
from erkt.errors import ErktError
from erkt.evaluation.predictions import Predictions
from erkt.files.csv_file import write_csv

CLASSES = ("a", "b", "c")
LABELS = np.array([0, 0, 1, 1, 2, 2])
STUDENT = np.array([0, 0, 0, 0, 2, 1])
CONFIDENCE = np.array([0.5, 0.9, 0.6, 0.7, 0.8, 0.4])
KEYS = tuple(f"{CLASSES[label]}/{place}.png" for place, label in enumerate(LABELS))
MADE = Predictions(CLASSES, KEYS, LABELS, STUDENT, CONFIDENCE, LABELS, CONFIDENCE)


def test_predictions_of_logits_come_back_from_the_table(tmp_path: Path) -> None:
    test = Subset(np.arange(6), LABELS, KEYS, CLASSES, np.zeros((6, 3, 8, 8), np.uint8))
    made = Predictions.of(test, student=2.0 * np.eye(3)[STUDENT], ensemble=np.eye(3)[LABELS])
    write_csv(tmp_path / "0.csv", made.rows())
    read = Predictions.load(tmp_path / "0.csv", CLASSES)
    assert read.listed() == list(zip(KEYS, LABELS.tolist(), strict=True))
    np.testing.assert_array_equal(read.student, STUDENT)
    np.testing.assert_array_equal(read.ensemble, LABELS)
    np.testing.assert_allclose(read.student_confidence, np.e**2 / (np.e**2 + 2), atol=1e-6)
    np.testing.assert_allclose(read.ensemble_confidence, np.e / (np.e + 2), atol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "key,actual\nx,a\n",
        "key,actual,student,student_confidence,ensemble,ensemble_confidence\n",
        "key,actual,student,student_confidence,ensemble,ensemble_confidence\nx,nobody,a,1,a,1\n",
    ],
)
def test_a_table_that_holds_no_predictions_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "0.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ErktError, match=r"0\.csv: (not readable as|holds no) predictions"):
        Predictions.load(path, CLASSES)


def test_the_hardest_classes_have_the_lowest_recall_and_perfect_ones_are_none() -> None:
    np.testing.assert_array_equal(MADE.confusion(), [[2, 0, 0], [2, 0, 0], [0, 1, 1]])
    assert MADE.hardest(5) == [1, 2]
    assert MADE.hardest(1) == [1]
    assert (MADE.surest(0, right=True), MADE.surest(1, right=False)) == (1, 3)
    assert MADE.surest(0, right=False) is MADE.surest(1, right=True) is None


def test_the_first_images_of_each_class_come_in_the_tables_order() -> None:
    assert MADE.first_of_each(1) == [("a/0.png", 0), ("b/2.png", 1), ("c/4.png", 2)]
