import json
import math
import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
from numpy.typing import NDArray

from erkt.errors import ErktError
from erkt.evaluation import metrics
from erkt.seeds import stream

CLASSES = ["airport", "beach", "bridge", "forest", "port", "river"]
LABELS = np.minimum(
    stream(0, "metrics", "labels").integers(7, 200), 5
)  # unbalanced: the last one twice as often
LOGITS = stream(0, "metrics", "logits").uniform(-3.0, 3.0, 200, 6)
LOGITS[np.arange(200), LABELS] += 1.5
PREDICTIONS = LOGITS.argmax(axis=1)
MATRIX = metrics.confusion_matrix(LABELS, PREDICTIONS, 6)


def probabilities(confidences: list[float], classes: int = 10) -> NDArray[np.float64]:
    """Rows whose first class has the confidence and whose others share the rest."""
    rows = [[c, *[(1 - c) / (classes - 1)] * (classes - 1)] for c in confidences]
    return np.array(rows)


def test_the_confusion_matrix_has_a_row_for_each_label() -> None:
    np.testing.assert_array_equal(MATRIX, sk.confusion_matrix(LABELS, PREDICTIONS))
    found = metrics.confusion_matrix(np.array([0, 0, 2]), np.array([1, 0, 2]), 3)
    np.testing.assert_array_equal(found, [[1, 1, 0], [0, 0, 0], [0, 0, 1]])


def test_accuracies_and_kappa_equal_scikit_learn_s_in_percent() -> None:
    oa, aa = sk.accuracy_score(LABELS, PREDICTIONS), sk.balanced_accuracy_score(LABELS, PREDICTIONS)
    assert metrics.overall_accuracy(MATRIX) == pytest.approx(100 * oa, rel=1e-12)
    assert metrics.average_accuracy(MATRIX) == pytest.approx(100 * aa, rel=1e-12)
    kappa = sk.cohen_kappa_score(LABELS, PREDICTIONS)
    assert metrics.cohen_kappa(MATRIX) == pytest.approx(100 * kappa, rel=1e-12)
    assert abs(oa - aa) > 1e-3


def test_a_hand_example_of_two_classes() -> None:
    # 45 + 25 of 100 right; recalls 0.75 and 0.625; chance 0.6 * 0.6 + 0.4 * 0.4 = 0.52.
    matrix = np.array([[45, 15], [15, 25]])
    assert metrics.overall_accuracy(matrix) == 70.0
    assert metrics.average_accuracy(matrix) == 68.75
    assert metrics.cohen_kappa(matrix) == pytest.approx(100 * (0.70 - 0.52) / 0.48)


def test_average_accuracy_leaves_out_classes_without_a_sample() -> None:
    labels, predictions = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    found = metrics.average_accuracy(metrics.confusion_matrix(labels, predictions, 4))
    assert found == 75.0


def test_kappa_of_a_single_class_is_zero_and_of_total_disagreement_negative() -> None:
    assert metrics.cohen_kappa(np.array([[7, 0], [0, 0]])) == 0.0
    assert metrics.cohen_kappa(np.array([[0, 5], [5, 0]])) == -100.0


def test_per_class_figures_equal_scikit_learn_s_in_percent() -> None:
    expected = sk.precision_recall_fscore_support(LABELS, PREDICTIONS)[:3]
    np.testing.assert_allclose(metrics.precision_recall_f1(MATRIX), 100 * np.stack(expected), rtol=1e-12)


def test_a_class_never_predicted_or_never_present_counts_as_zero() -> None:
    labels, predictions = np.array([0, 0, 1]), np.array([0, 2, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics.precision_recall_f1(metrics.confusion_matrix(labels, predictions, 4))
    expected = sk.precision_recall_fscore_support(labels, predictions, labels=range(4), zero_division=0)[:3]
    np.testing.assert_allclose(found, 100 * np.stack(expected))
    np.testing.assert_array_equal(found[:, 3], 0.0)


def test_likelihood_equals_scikit_learn_s_log_loss() -> None:
    found = metrics.negative_log_likelihood(LOGITS, LABELS)
    assert found == pytest.approx(sk.log_loss(LABELS, metrics.softmax(LOGITS)), rel=1e-12)


def test_softmax_of_huge_logits_is_exact_and_its_log_finite() -> None:
    logits = np.array([[1000.0, 0.0], [1e4 + math.log(3.0), 1e4]])
    np.testing.assert_allclose(metrics.softmax(logits), [[1.0, 0.0], [0.75, 0.25]], rtol=1e-10)
    np.testing.assert_allclose(metrics.log_softmax(logits)[0], [0.0, -1000.0])
    half = np.array([[3.0, -2.0, 0.5]], dtype=np.float16)
    assert metrics.softmax(half).dtype == np.float64
    assert metrics.softmax(half).sum() == pytest.approx(1.0, abs=1e-15)


def test_calibration_error_of_two_bins_by_hand() -> None:
    # Four at 0.9, three right: gap 0.15. Six at 0.5, none right: gap 0.5. (4 * 0.15 + 6 * 0.5) / 10.
    labels = np.array([0, 0, 0, 1, *[1] * 6])
    found = metrics.expected_calibration_error(probabilities([0.9] * 4 + [0.5] * 6), labels)
    assert found == pytest.approx(36.0, rel=1e-12)


def test_gaps_of_opposite_sign_cancel_within_a_bin_and_only_there() -> None:
    # Bins are 1/15 wide: 0.41 and 0.46 share one (0.4, 0.4667], 0.48 is in the one above.
    together = metrics.expected_calibration_error(probabilities([0.41, 0.46]), np.array([0, 1]))
    apart = metrics.expected_calibration_error(probabilities([0.46, 0.48]), np.array([0, 1]))
    assert together == pytest.approx(100 * abs(1 - 0.41 - 0.46) / 2, rel=1e-9)
    assert apart == pytest.approx(100 * (0.54 + 0.48) / 2, rel=1e-9)


def test_full_confidence_belongs_to_the_last_bin_and_a_bin_to_its_upper_edge() -> None:
    sure = probabilities([1.0, 1.0, 0.95])
    assert metrics.expected_calibration_error(sure, np.array([0, 0, 1])) == pytest.approx(100 * 0.95 / 3)
    edge = probabilities([0.6, 0.59])  # 0.6 is 9 / 15
    assert metrics.expected_calibration_error(edge, np.array([0, 1])) == pytest.approx(100 * 0.19 / 2)


def test_agreement_counts_equal_predictions_right_or_wrong() -> None:
    assert metrics.agreement(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0])) == 75.0
    with pytest.raises(ErktError, match="predictions of 2 and 3 samples"):
        metrics.agreement(np.array([0, 1]), np.array([0, 1, 2]))


def test_the_report_holds_the_figures_as_plain_numbers() -> None:
    found = metrics.report(LOGITS.astype(np.float32), LABELS, CLASSES)
    assert json.loads(json.dumps(found)) == found
    assert list(found["per_class"]) == CLASSES
    assert found["oa"] == pytest.approx(100 * sk.accuracy_score(LABELS, PREDICTIONS))
    assert found["aa"] == pytest.approx(100 * sk.balanced_accuracy_score(LABELS, PREDICTIONS))
    assert found["kappa"] == pytest.approx(100 * sk.cohen_kappa_score(LABELS, PREDICTIONS))
    assert found["nll"] == pytest.approx(sk.log_loss(LABELS, metrics.softmax(LOGITS)), rel=1e-6)
    ece = metrics.expected_calibration_error(metrics.softmax(LOGITS), LABELS)
    assert found["ece"] == pytest.approx(ece, rel=1e-4)
    expected = sk.classification_report(LABELS, PREDICTIONS, target_names=CLASSES, output_dict=True)
    for name in CLASSES:
        figures = found["per_class"][name]
        assert figures["precision"] == pytest.approx(100 * expected[name]["precision"])
        assert figures["recall"] == pytest.approx(100 * expected[name]["recall"])
        assert figures["f1"] == pytest.approx(100 * expected[name]["f1-score"])
        assert figures["support"] == expected[name]["support"]


def test_order_of_samples_and_a_shift_of_logits_change_nothing() -> None:
    order = stream(0, "metrics", "order").permutation(200)
    shift = stream(0, "metrics", "shift").uniform(-5.0, 5.0, 200, 1)
    found = metrics.report((LOGITS + shift)[order], LABELS[order], CLASSES)
    expected = metrics.report(LOGITS, LABELS, CLASSES)
    for name in ("oa", "aa", "kappa", "ece", "nll"):
        assert found[name] == pytest.approx(expected[name], rel=1e-9)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 6)), np.array([0, 1, 2]), r"logits \(2, 6\) and labels \(3,\)"),
        (np.zeros((0, 6)), np.array([], dtype=np.int64), r"logits \(0, 6\)"),
        (np.array([[math.nan, *[0.0] * 5]]), np.array([0]), "NaN or infinity"),
        (np.zeros((2, 6)), np.array([0, 6]), "outside the 6 classes"),
        (np.zeros((2, 6)), np.array([0, -1]), "outside the 6 classes"),
        (np.zeros((2, 5)), np.array([0, 1]), "6 class names for 5 columns"),
    ],
)
def test_a_report_on_unusable_input_is_one_clear_line(
    logits: NDArray[np.float64], labels: NDArray[np.int64], message: str
) -> None:
    with pytest.raises(ErktError, match=message) as caught:
        metrics.report(logits, labels, CLASSES)
    assert "\n" not in str(caught.value)


def test_a_prediction_that_is_no_class_is_refused() -> None:
    with pytest.raises(ErktError, match="a prediction lies outside the 2 classes"):
        metrics.confusion_matrix(np.array([0, 1]), np.array([0, 2]), 2)
    with pytest.raises(ErktError, match="2 labels and 1 predictions"):
        metrics.confusion_matrix(np.array([0, 1]), np.array([0]), 2)
