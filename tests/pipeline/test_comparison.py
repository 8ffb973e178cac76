"""Rows of the tables: differences over seeds, what they are worth, and how they are shown."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from erkt.errors import ErktError
from erkt.pipeline.experiments.comparison import (
    against_ensembles,
    differences,
    differences_by_steps,
    list_networks,
    list_students,
    list_weights,
    on_shared_images,
    with_deviation,
)
from erkt.pipeline.experiments.measured import Student

IMAGES = tuple(f"a/{place}.png" for place in range(400))


def student(shares: dict[int, float], **changes: Any) -> Student:
    """Return a student that is right on the first ``share`` of the images of each seed."""
    hits = {seed: np.arange(400) < 400 * share for seed, share in shares.items()}
    oa = {seed: 100 * float(own.mean()) for seed, own in hits.items()}
    fields = {
        "label": "l",
        "oa": oa,
        "ensemble": dict.fromkeys(shares, 99.0),
        "hits": hits,
        "ensemble_hits": dict.fromkeys(shares, np.ones(400, dtype=bool)),
        "images": dict.fromkeys(shares, IMAGES),
        "data": "content",
        "steps": 100,
        "student_passes": 10,
        "teacher_passes": 5,
        "gmacs": 1.5,
        "run": "run",
        "base": "base",
    }
    return Student(**(fields | changes))


FIRST = student({0: 0.8, 1: 0.81, 2: 0.79})
BETTER = student({0: 0.85, 1: 0.8625, 2: 0.8375})


def test_a_row_holds_mean_deviation_and_the_paired_difference_with_students_interval() -> None:
    rows = {"first": FIRST, "better": BETTER}
    _, row = list_students(rows, differences(rows, "first"), against_ensembles(rows), {"better": "97.2"})
    each = [BETTER.oa[seed] - FIRST.oa[seed] for seed in range(3)]
    low, high = stats.t.interval(0.95, 2, np.mean(each), stats.sem(each))
    assert (row["oa"], row["std"]) == pytest.approx((85.0, np.std(list(BETTER.oa.values()), ddof=1)))
    found = [row[name] for name in ("difference", "student_low", "student_high")]
    assert found == pytest.approx([np.mean(each), low, high])
    assert (row["low"], row["high"]) == (min(low, row["bootstrap_low"]), max(high, row["bootstrap_high"]))
    assert row["bootstrap_low"] < row["difference"] < row["bootstrap_high"]
    assert (row["verdict"], row["paper"], row["runs"]) == ("higher", "97.2", 3)
    assert row["oa_by_seed"] == "0:85.0000 1:86.2500 2:83.7500"


def test_the_reference_is_compared_with_nothing_nor_is_a_row_whose_reference_has_not_run() -> None:
    for rows in ({"first": FIRST}, {"better": BETTER}):
        assert differences(rows, "first") == {}
        (row,) = list_students(rows, {}, against_ensembles(rows), {})
        assert row["difference"] is row["verdict"] is None


def test_one_seed_has_the_bootstraps_interval_and_no_verdict() -> None:
    one, other = student({0: 0.8}), student({0: 0.9})
    rows = {"first": one, "other": other}
    found = differences(rows, "first")
    row = list_students(rows, found, against_ensembles(rows), {})[1]
    assert (row["std"], row["student_low"], row["verdict"]) == (None, None, "one seed, no verdict")
    assert row["low"] == row["bootstrap_low"]
    assert found["other"].shown().endswith("(test images alone)")
    assert with_deviation(row) == "90.00"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": dict.fromkeys(range(3), IMAGES[::-1])}, "other and run have other test images at seed 0"),
        ({"data": "other"}, "other and run were made from images of other content"),
    ],
)
def test_other_images_are_not_compared(changes: dict[str, Any], message: str) -> None:
    other = student({0: 0.8, 1: 0.81, 2: 0.79}, run="other", **changes)
    with pytest.raises(ErktError, match=message):
        differences({"first": FIRST, "other": other}, "first")


def test_curves_are_compared_at_as_many_steps_with_one_level_and_at_least_the_mean_variance() -> None:
    """ERKT has no point at 300 steps, and nothing is compared at 100, where DIST has none."""
    reached = {
        "e1": ("ERKT", 100, (0.70, 0.72, 0.71)),
        "e2": ("ERKT", 200, (0.80, 0.81, 0.79)),
        "d2": ("DIST", 200, (0.85, 0.8625, 0.8375)),
        "b2": ("Base", 200, (0.7, 0.68, 0.75)),
        "d3": ("DIST", 300, (0.9, 0.91, 0.92)),
        "e4": ("ERKT", 400, (0.91, 0.9, 0.92)),
        "d4": ("DIST", 400, (0.92, 0.9, 0.95)),
    }
    students = {
        name: student(dict(enumerate(shares)), label=label, steps=steps)
        for name, (label, steps, shares) in reached.items()
    }
    found = differences_by_steps(students, "ERKT")
    assert found.keys() == {"d2", "b2", "d4"}
    pairs = {"d2": "e2", "b2": "e2", "d4": "e4"}
    differences = {row: 100 * np.subtract(reached[row][2], reached[pairs[row]][2]) for row in pairs}
    variances = {row: each.var(ddof=1) for row, each in differences.items()}
    tables = {"d2": ("d2", "b2"), "b2": ("d2", "b2"), "d4": ("d4",)}
    freedom = 2 * (1 + 3 + 2) ** 2 / (1 + 9 + 4)  # eigenvalues 1 and 3 at 200 steps, 2 at 400
    for row, each in differences.items():
        own = np.mean([variances[name] for name in tables[row]])
        error = np.sqrt(max(np.mean(list(variances.values())), own) / 3)
        expected = stats.t.interval(1 - 0.05 / 3, freedom, each.mean(), error)
        assert found[row].student == pytest.approx(expected)
    listed = {row["row"]: row for row in list_students(students, found, against_ensembles(students), {})}
    assert (listed["d2"]["steps"], listed["d2"]["difference"]) == (200, pytest.approx(found["d2"].mean))
    assert listed["d3"]["difference"] is None


def test_levels_are_those_of_the_planned_rows() -> None:
    """So a verdict does not change its level while the other rows are still to come."""
    rows = {"first": FIRST, "better": BETTER}
    assert differences(rows, "first", 4)["better"].level == 98.75
    assert against_ensembles(rows, 5)["better"].level == 99.0
    apart = {"first": FIRST, "better": replace(BETTER, label="b")}
    assert differences_by_steps(apart, "l", 10)["better"].level == 99.5


def test_two_points_of_a_curve_at_as_many_steps_are_refused() -> None:
    rows = {name: student({0: 0.8}, label="ERKT", steps=10) for name in ("one", "two")}
    with pytest.raises(ErktError, match="rows one and two: both are ERKT at 10 steps"):
        differences_by_steps(rows, "ERKT")


def test_networks_and_weights_are_means_over_seeds() -> None:
    numbers = {"oa": {"mean": 91.0, "std": 1.4, "runs": 2}, "parameters": 5}
    summary = {"teachers": {"one": numbers}, "ensemble": numbers, "student": numbers}
    rows = list_networks(summary, {"student": "97.2"})
    assert [row["network"] for row in rows] == ["one", "ensemble", "student"]
    assert [rows[-1][key] for key in ("parameters", "oa", "std", "runs")] == [5, 91.0, 1.4, 2]
    assert (rows[0]["paper"], rows[-1]["paper"]) == (None, "97.2")
    sweep = {
        seed: [
            {"lead": "one", "one": "0.9", "two": "0.1", "oa": str(oa), "nll": "1"},
            {"lead": "", "one": "1", "two": "0", "oa": str(oa + 1), "nll": "1"},
        ]
        for seed, oa in ((0, 80.0), (1, 82.0))
    }
    first, second = list_weights(sweep)
    assert (first["lead"], first["one"], first["oa"]) == ("one", 0.9, 81.0)
    assert (second["lead"], second["two"], second["oa"]) == (None, 0.0, 82.0)


def test_students_with_other_test_parts_meet_on_the_images_that_all_have() -> None:
    """Hits are the first images of each, so a later half of the images has fewer of them."""
    half = {seed: IMAGES[200:] for seed in range(3)}
    few = student({0: 0.5, 1: 0.5, 2: 0.5})
    late = few.on(half)
    assert late.oa == dict.fromkeys(range(3), 0.0)
    rows = on_shared_images({"whole": BETTER, "late": late})
    assert (rows["late"].oa, rows["late"].images) == (late.oa, half)
    for seed, share in enumerate((0.85, 0.8625, 0.8375)):
        assert rows["whole"].oa[seed] == pytest.approx(100 * (share - 0.5) * 2)
        assert rows["whole"].images[seed] == IMAGES[200:]
    assert differences(rows, "whole")["late"].mean == pytest.approx(-70.0)
    with pytest.raises(ErktError, match="share no test image at seed 0"):
        on_shared_images({"whole": BETTER.on({seed: IMAGES[:200] for seed in range(3)}), "late": late})


def test_students_of_one_ensemble_are_compared_with_it_in_one_table_and_of_others_in_tables_each() -> None:
    rows = {"first": FIRST, "better": BETTER}
    found = against_ensembles(rows)
    assert found["better"].mean == pytest.approx(85.0 - 99.0)
    error = np.sqrt(np.mean([np.var(list(one.oa.values()), ddof=1) for one in rows.values()]) / 3)
    expected = stats.t.interval(0.975, 3.2, found["better"].mean, error)
    assert found["better"].student == pytest.approx(expected)
    apart = against_ensembles(
        rows | {"better": student({0: 0.85, 1: 0.8625, 2: 0.8375}, ensemble={0: 98.0, 1: 98.0, 2: 98.0})}
    )
    assert apart["better"].mean == pytest.approx(85.0 - 98.0)
    assert apart["better"].freedom == 4  # two tables of one row each
