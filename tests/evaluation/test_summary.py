import numpy as np
import pytest

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
    student, ensemble = np.eye(2)[[0, 1, 1, 1]], np.eye(2)[[0, 0, 1, 1]]
    compared = against_ensemble.compare(student, ensemble, labels, ["a", "b"])
    assert (compared["gap"], compared["agreement"]) == (25, 75)
    rows = against_ensemble.headlines(compared, 5, {"one": 1.0})
    assert [(row["network"], row["oa"]) for row in rows] == [("student", 75), ("ensemble", 100)]
    assert (rows[0]["parameters"], rows[0]["weights"], rows[1]["weights"]) == (5, None, {"one": 1.0})
    first, second = against_ensemble.per_class(compared)
    assert (first["class"], first["student_recall"], first["ensemble_recall"]) == ("a", 50, 100)
    assert second["student_precision"] == pytest.approx(200 / 3)
