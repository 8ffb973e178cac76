"""How scikit-learn's figures become a report: percent, absent classes, one class; and calibration by hand."""

import json
import math
import warnings

import numpy as np
import pytest

from erkt.errors import ErktError
from erkt.evaluation import metrics
from erkt.evaluation.metrics import calibration_error

CLASSES = ["beach", "forest", "port", "river"]
LABELS = np.array([0, 0, 1, 1, 1])
CHOSEN = np.array([0, 2, 1, 1, 0])
LOGITS = 3.0 * np.eye(4)[CHOSEN]


def test_a_report_is_in_percent_of_plain_numbers_without_a_warning() -> None:
    """By hand; port is never a label, river neither that nor chosen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics.report(LOGITS.astype(np.float32), LABELS, CLASSES)
    assert json.loads(json.dumps(found)) == found
    sure = 1 / (1 + 3 * math.exp(-3))
    assert metrics.headline(found) == {
        "oa": 60.0,
        "aa": pytest.approx(100 * (1 / 2 + 2 / 3) / 2),
        "kappa": pytest.approx(100 * (0.6 - 0.4) / (1 - 0.4)),  # chance: 2/5 * 2/5 + 3/5 * 2/5
        "ece": pytest.approx(100 * (sure - 0.6)),
        "nll": pytest.approx(-math.log(sure) + 2 / 5 * 3),
    }
    beach, forest, port, river = found["per_class"].values()
    assert list(found["per_class"]) == CLASSES
    assert beach == {"precision": 50.0, "recall": 50.0, "f1": 50.0, "support": 2}
    assert forest == {
        "precision": 100.0,
        "recall": pytest.approx(200 / 3),
        "f1": pytest.approx(80.0),
        "support": 3,
    }
    assert port == river == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


def test_kappa_of_a_single_class_is_zero() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metrics.report(np.eye(2)[[1, 1, 1]], np.array([1, 1, 1]), ["a", "b"])["kappa"] == 0.0


def test_softmax_of_huge_half_logits_is_exact() -> None:
    found = metrics.softmax(np.array([[60000.0, 0.0], [3.0, 3.0]], dtype=np.float16))
    np.testing.assert_array_equal(found, [[1.0, 0.0], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("confidence", "right", "expected"),
    [
        # Four at 0.9, three right: gap 0.15. Six at 0.5, none right: gap 0.5.
        ([0.9] * 4 + [0.5] * 6, [1, 1, 1, *[0] * 7], (4 * 0.15 + 6 * 0.5) / 10),
        # Bins are 1 / 15 wide: 0.41 and 0.46 share one, where gaps cancel; 0.48 is in the one above.
        ([0.41, 0.46], [1, 0], abs(1 - 0.41 - 0.46) / 2),
        ([0.46, 0.48], [1, 0], (0.54 + 0.48) / 2),
        # 1.0 belongs to the last bin, 0.6 = 9 / 15 to the one below it.
        ([1.0, 1.0, 0.95], [1, 1, 0], 0.95 / 3),
        ([0.6, 0.59], [1, 0], 0.19 / 2),
    ],
)
def test_calibration_error_by_hand(confidence: list[float], right: list[int], expected: float) -> None:
    assert calibration_error(np.array(confidence), np.array(right, bool)) == pytest.approx(100 * expected)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 4)), [0, 1, 2], r"logits \(2, 4\) and labels \(3,\)"),
        (np.zeros((0, 4)), [], r"logits \(0, 4\)"),
        (np.full((1, 4), math.nan), [0], "NaN or infinity"),
        (np.zeros((2, 4)), [0, 4], "outside the 4 classes"),
        (np.zeros((2, 4)), [0, -1], "outside the 4 classes"),
    ],
)
def test_unusable_input_is_one_clear_line(logits: np.ndarray, labels: list[int], message: str) -> None:
    with pytest.raises(ErktError, match=message) as caught:
        metrics.report(logits, np.array(labels, np.int64), CLASSES)
    assert "\n" not in str(caught.value)
