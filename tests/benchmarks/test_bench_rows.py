"""Rows of the benchmarks: medians with spread, verdicts, and some rows measured anew."""

import dataclasses

import pytest

from benchmarks.goals import Goal
from benchmarks.rows import Row, replaced, row_of
from erkt.errors import ErktError

FACTS = {"size": 256, "batch": 30, "dtype": "fp32", "device": "this"}


def row(name: str, ratios: list[float], must: float | None = None) -> Row:
    return row_of(name, "that", ratios, Goal(must=must, aim=None), **FACTS)


def test_a_row_has_the_median_and_the_extremes_of_its_rounds() -> None:
    made = row("step", [1.0, 5.0, 2.0])
    assert (made.ratio, made.low, made.high, made.rounds) == (2.0, 1.0, 5.0, 3)


@pytest.mark.parametrize(("ratio", "reached"), [(0.94, False), (0.95, True)])
def test_what_must_be_reached_is_reached_or_missed(ratio: float, reached: bool) -> None:
    assert row("step", [ratio], must=0.95).reached is reached


def test_rows_measured_anew_take_their_places() -> None:
    before = [row("step", [1.0]), row("epoch", [2.0]), row("vsm", [3.0])]
    assert replaced(before, [row("epoch", [4.0])]) == [before[0], row("epoch", [4.0]), before[2]]


@pytest.mark.parametrize("other", [{"device": "another"}, {"torch": "0.0"}, {"dtype": "bf16"}, {"size": 64}])
def test_rows_from_elsewhere_are_refused(other: dict[str, str | int]) -> None:
    before = [row("step", [1.0])]
    with pytest.raises(ErktError, match=r"step against that: no such row here; run make bench"):
        replaced(before, [dataclasses.replace(row("step", [2.0]), **other)])
