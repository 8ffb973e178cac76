"""The grids of weights by hand, and the choice against every candidate scored by scipy."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from erkt.ensemble.candidates import line, simplex, table_6
from erkt.ensemble.search import Sweep, search
from erkt.errors import ErktError
from erkt.params.ensemble import Ensemble
from erkt.seeds import stream

NAMES = ["b0", "b3", "r50"]
PAPER = {"b0": 0.3, "b3": 0.4, "r50": 0.3}
LABELS = stream(0, "ensemble", "labels").integers(5, 120)


def member(name: str, gain: float) -> NDArray[np.float64]:
    scores = stream(0, "ensemble", name).uniform(-3.0, 3.0, 120, 5)
    scores[np.arange(120), LABELS] += gain
    return scores


LOGITS = {"b0": member("b0", 1.0), "b3": member("b3", 1.4), "r50": member("r50", 0.6)}


def find(
    method: str,
    logits: dict[str, NDArray[np.float64]] | None = None,
    *,
    lead: str | None = "b3",
    weights: dict[str, float] | None = None,
    space: str = "logits",
) -> Sweep:
    settings = Ensemble(method, lead, weights, space)  # type: ignore[arg-type]
    return search(LOGITS if logits is None else logits, LABELS, settings)


def test_the_line_is_equation_14() -> None:
    lead = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    other = [0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05]
    expected = [{"b0": o, "b3": w, "r50": o} for w, o in zip(lead, other, strict=True)]
    assert list(line(NAMES, "b3")) == expected
    third = 0.2666666667  # ten digits, so that files have weights as one writes them
    assert list(line(["a", "b", "c", "d"], "c"))[1] == {"a": third, "b": third, "c": 0.2, "d": third}
    assert list(line(["a"], "a")) == list(simplex(["a"])) == [{"a": 1.0}]


def test_the_simplex_is_every_combination_of_tenths_in_order() -> None:
    tenths = itertools.product(range(11), repeat=3)
    every = [tuple(number / 10 for number in numbers) for numbers in tenths if sum(numbers) == 10]
    assert [tuple(weights.values()) for weights in simplex(NAMES)] == every
    assert len(every) == 66


@pytest.mark.parametrize("space", ["logits", "probs"])
@pytest.mark.parametrize("method", ["line", "simplex"])
def test_the_choice_is_the_best_of_all_candidates(method: str, space: str) -> None:
    sweep = find(method, space=space)
    grid = line(NAMES, "b3") if method == "line" else simplex(NAMES)
    rows, best = sweep.rows(), (0.0, -math.inf)
    for row, weights in zip(rows, grid, strict=True):
        scores = [LOGITS[n] if space == "logits" else softmax(LOGITS[n], axis=1) for n in NAMES]
        mixed = sum(weights[n] * score for n, score in zip(NAMES, scores, strict=True))
        logs = log_softmax(mixed, axis=1) if space == "logits" else np.log(mixed)
        assert {name: row[name] for name in NAMES} == weights
        assert row["oa"] == pytest.approx(100 * np.mean(logs.argmax(axis=1) == LABELS))
        assert row["nll"] == pytest.approx(-logs[np.arange(120), LABELS].mean(), rel=1e-9)
        best = max(best, (row["oa"], -row["nll"]))
    (chosen,) = (row for row in rows if row["chosen"])
    assert (chosen["oa"], -chosen["nll"]) == best
    assert {name: chosen[name] for name in NAMES} == sweep.weights


def test_equal_accuracy_goes_to_the_lowest_likelihood_loss() -> None:
    # Every mixture is right on every sample; the surer member alone is the likeliest.
    sure, faint = (strength * np.eye(5)[LABELS] for strength in (9.0, 1.0))
    sweep = find("simplex", {"faint": faint, "sure": sure}, weights={"faint": 1.0, "sure": 0.0})
    assert {candidate.oa for candidate in sweep.candidates} == {100.0}
    assert sweep.weights == {"faint": 0.0, "sure": 1.0}


@pytest.mark.parametrize("method", ["line", "simplex"])
@pytest.mark.parametrize(("lead", "other"), [(0.2, 0.4), (0.4, 0.3), (0.8, 0.1)])
def test_what_still_ties_goes_to_the_weights_nearest_to_the_given_ones(
    method: str, lead: float, other: float
) -> None:
    # Members that differ by rounding alone, so every candidate is as good as every other.
    same = dict.fromkeys(NAMES, LOGITS["b3"]) | {"b3": LOGITS["b3"] * (1 + 1e-12)}
    sweep = find(method, same, weights={"b0": other + 0.01, "b3": lead, "r50": other - 0.01})
    losses = [candidate.nll for candidate in sweep.candidates]
    assert 0 < max(losses) - min(losses) < 1e-11
    assert sweep.weights == {"b0": other, "b3": lead, "r50": other}


def test_without_a_search_the_given_weights_stand_or_equal_ones_even_on_an_empty_part() -> None:
    empty = {name: array[:0] for name, array in LOGITS.items()}
    nothing = Ensemble(search="none", lead=None, weights=None, space="logits")
    given = search(empty, LABELS[:0], replace(nothing, weights=PAPER))
    assert given.weights == PAPER
    assert given.rows() == [PAPER | {"oa": None, "nll": None, "chosen": 1}]
    assert search(empty, LABELS[:0], nothing).weights == dict.fromkeys(NAMES, 0.3333333333)


def test_given_weights_are_scored_where_there_is_a_validation_part() -> None:
    (row,) = find("none", weights=PAPER).rows()
    mixed = sum(weight * LOGITS[name] for name, weight in PAPER.items())
    assert row["oa"] == pytest.approx(100 * np.mean(mixed.argmax(axis=1) == LABELS))
    assert row["chosen"] == 1


def test_table_6_has_nine_weights_of_each_lead_and_the_simplex() -> None:
    rows = table_6(LOGITS, LABELS, "logits")
    assert [row["lead"] for row in rows] == ["b0"] * 9 + ["b3"] * 9 + ["r50"] * 9 + [None] * 66
    searched = find("line").rows() + find("simplex").rows()
    for row, same in zip(rows[9:18] + rows[27:], searched, strict=True):
        assert {key: row[key] for key in (*NAMES, "oa", "nll")} == {
            key: same[key] for key in (*NAMES, "oa", "nll")
        }


def test_what_cannot_be_searched_is_refused_by_name() -> None:
    with pytest.raises(ErktError, match="ensemble weights name"):
        find("simplex", weights={"b0": 0.5, "b3": 0.5})
    with pytest.raises(ErktError, match=r"ensemble member r50: logits \(119, 5\) and labels \(120,\)"):
        find("line", LOGITS | {"r50": LOGITS["r50"][1:]})
    with pytest.raises(ErktError, match="ensemble member r50: the logits hold NaN"):
        find("line", LOGITS | {"r50": np.full((120, 5), np.nan)})
    with pytest.raises(ErktError, match=r"ensemble\.lead: 'b7' is not a member"):
        find("line", lead="b7")
