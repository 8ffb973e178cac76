import numpy as np
import pytest

from erkt.data.images import Subset
from erkt.evaluation import against_ensemble
from erkt.evaluation.summary import spread, summarize, table


def result(student: float, ensemble: float) -> list[dict]:
    return [
        {"network": "student", "oa": student, "gap": ensemble - student, "parameters": 1_000_000},
        {"network": "ensemble", "oa": ensemble, "weights": {"a": 0.4, "b": 0.6, "idle": 0.0}},
    ]


def test_the_deviation_is_over_n_minus_one_and_absent_for_one_run() -> None:
    assert spread([1.0, 2.0, 6.0]) == {"mean": 3.0, "std": pytest.approx(7.0**0.5), "runs": 3}
    assert spread([4.0]) == {"mean": 4.0, "std": None, "runs": 1}


def test_a_summary_gathers_the_seeds() -> None:
    teachers = {
        "a": [{"oa": 80.0, "parameters": 2_000_000}, {"oa": 84.0, "parameters": 2_000_000}],
        "b": [{"oa": 90.0, "parameters": 3_500_000}, {"oa": 90.0, "parameters": 3_500_000}],
        "idle": [{"oa": 9.0, "parameters": 9}, {"oa": 9.0, "parameters": 9}],
    }
    summary = summarize([result(90, 92), result(93, 94)], teachers)
    assert summary["student"]["oa"] == {"mean": 91.5, "std": pytest.approx(4.5**0.5), "runs": 2}
    assert summary["ensemble"]["parameters"] == 5_500_000
    assert summary["teachers"]["a"]["oa"]["mean"] == 82.0
    assert summary["gap"]["mean"] == 1.5
    lines = table(summary).splitlines()
    assert [line.split()[-3:] for line in lines[1:3]] == [["82.00", "±", "2.83"], ["90.00", "±", "0.00"]]
    assert lines[-1] == "student below ensemble by 1.50 points; 2 runs"
    better = summarize([result(92, 90)], {name: rows[:1] for name, rows in teachers.items()})
    assert table(better).splitlines()[-1] == "student above ensemble by 2.00 points; 1 run"


def test_student_and_ensemble_are_compared_image_by_image() -> None:
    labels = np.array([0, 0, 1, 1])
    student = np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [0.0, 1.0]])
    ensemble = np.array([[2.0, 0.0], [2.0, 1.0], [0.0, 3.0], [4.0, 1.0]])
    compared = against_ensemble.compare(student, ensemble, labels, ["a", "b"])
    assert compared["student"]["oa"] == 75
    assert compared["ensemble"]["oa"] == 75
    assert compared["gap"] == 0
    assert compared["agreement"] == 50
    assert compared["confusion"] == [[1, 1], [0, 2]]
    keys = ("a/1", "a/2", "b/1", "b/2")
    test = Subset(np.arange(4), labels, keys, ("a", "b"), np.zeros((4, 3, 8, 8), np.uint8))
    rows = against_ensemble.predictions(test, student=student, teacher=ensemble)
    assert [(row["actual"], row["student"], row["ensemble"]) for row in rows] == [
        ("a", "a", "a"),
        ("a", "b", "a"),
        ("b", "b", "b"),
        ("b", "b", "a"),
    ]
    assert rows[0]["student_confidence"] == pytest.approx(np.e**2 / (np.e**2 + 1))
    table_rows = against_ensemble.per_class(compared)
    assert table_rows[0]["student_recall"] == 50
    assert table_rows[1]["ensemble_precision"] == 100


def test_the_gap_is_what_the_student_lacks() -> None:
    right = np.eye(2)
    assert against_ensemble.compare(right[::-1], right, np.array([0, 1]), ["a", "b"])["gap"] == 100
