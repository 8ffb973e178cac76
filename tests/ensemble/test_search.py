import itertools
import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import sklearn.metrics as sk
from numpy.typing import NDArray

from erkt.ensemble import search
from erkt.ensemble.mixing import Space, combine
from erkt.errors import ErktError
from erkt.evaluation import metrics
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
    method: str, logits: dict[str, NDArray[np.float64]] | None = None, **changes: object
) -> search.Sweep:
    settings = {"lead": "b3", "space": "logits", "reference": PAPER} | changes
    return search.search(logits or LOGITS, LABELS, method=method, **settings)  # type: ignore[arg-type]


def test_logits_are_summed_with_their_weights() -> None:
    logits = {"a": np.array([[1.0, 2.0]]), "b": np.array([[5.0, -2.0]])}
    found = combine(logits, {"b": 0.25, "a": 0.75}, "logits")
    np.testing.assert_allclose(found, [[2.0, 1.0]], rtol=1e-15)


def test_probabilities_are_averaged_and_their_log_returned() -> None:
    # (3/4, 1/4) and (1/5, 4/5) with weights 0.4 and 0.6: (0.42, 0.58).
    logits = {"a": np.array([[math.log(3.0), 0.0]]), "b": np.array([[7.0, 7.0 + math.log(4.0)]])}
    found = combine(logits, {"a": 0.4, "b": 0.6}, "probs")
    np.testing.assert_allclose(np.exp(found), [[0.42, 0.58]], rtol=1e-12)


def test_the_two_spaces_are_different_scores() -> None:
    # One member is moderately for class 0, the other strongly for class 1 in logits but no more than certain.
    logits = {"a": np.array([[4.0, 0.0, 0.0]]), "b": np.array([[0.0, 0.0, 9.0]])}
    weights = {"a": 0.6, "b": 0.4}
    assert combine(logits, weights, "logits").argmax() == 2
    assert combine(logits, weights, "probs").argmax() == 0


@pytest.mark.parametrize("space", ["logits", "probs"])
def test_one_member_with_all_the_weight_is_that_member(space: Space) -> None:
    found = combine(LOGITS, {"b0": 0.0, "b3": 1.0, "r50": 0.0}, space)
    np.testing.assert_allclose(metrics.softmax(found), metrics.softmax(LOGITS["b3"]), rtol=1e-12)


def test_hopeless_classes_keep_a_finite_score() -> None:
    logits = {"a": np.array([[0.0, -2000.0]]), "b": np.array([[0.0, -3000.0]])}
    found = combine(logits, {"a": 0.5, "b": 0.5}, "probs")
    np.testing.assert_allclose(found, [[0.0, -2000.0 + math.log(0.5)]])


def test_the_order_of_members_does_not_matter() -> None:
    turned = {name: LOGITS[name] for name in reversed(NAMES)}
    np.testing.assert_array_equal(combine(LOGITS, PAPER, "logits"), combine(turned, PAPER, "logits"))


def test_the_line_is_equation_14() -> None:
    found = [candidate.weights for candidate in find("line").candidates]
    lead = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    other = [0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05]
    assert found == [{"b0": o, "b3": w, "r50": o} for w, o in zip(lead, other, strict=True)]


def test_the_line_of_four_members_shares_the_rest_among_three() -> None:
    grid = list(search.line(["a", "b", "c", "d"], "c"))
    assert grid[3] == {"a": 0.2, "b": 0.2, "c": 0.4, "d": 0.2}
    assert grid[1] == {"a": 0.2666666667, "b": 0.2666666667, "c": 0.2, "d": 0.2666666667}


def test_the_simplex_is_every_combination_of_tenths() -> None:
    found = [tuple(weights.values()) for weights in search.simplex(NAMES)]
    tenths = [i / 10 for i in range(11)]
    every = {w for w in itertools.product(tenths, repeat=3) if round(10 * sum(w), 6) == 10}
    assert len(found) == len(set(found)) == 66
    assert set(found) == every


@pytest.mark.parametrize("space", ["logits", "probs"])
@pytest.mark.parametrize("method", ["line", "simplex"])
def test_the_choice_is_the_best_of_all_candidates(method: str, space: str) -> None:
    sweep = find(method, space=space)
    figures = []
    for candidate in sweep.candidates:
        scores = [LOGITS[n] if space == "logits" else metrics.softmax(LOGITS[n]) for n in NAMES]
        mixed = sum(candidate.weights[n] * score for n, score in zip(NAMES, scores, strict=True))
        p = metrics.softmax(mixed) if space == "logits" else mixed
        assert candidate.oa == pytest.approx(100 * sk.accuracy_score(LABELS, p.argmax(axis=1)))
        assert candidate.nll == pytest.approx(sk.log_loss(LABELS, p), rel=1e-9)
        figures.append((candidate.oa, -candidate.nll, candidate.weights))
    assert sweep.weights == max(figures, key=lambda f: f[:2])[2]
    assert len({f[0] for f in figures}) > 3


def test_equal_accuracy_goes_to_the_lowest_likelihood_loss() -> None:
    # Every mixture is right on every sample; the surer member alone is the likeliest.
    sure, faint = (strength * np.eye(5)[LABELS] for strength in (9.0, 1.0))
    sweep = find("simplex", {"faint": faint, "sure": sure}, reference={"faint": 1.0, "sure": 0.0})
    assert {candidate.oa for candidate in sweep.candidates} == {100.0}
    assert sweep.weights == {"faint": 0.0, "sure": 1.0}


@pytest.mark.parametrize("method", ["line", "simplex"])
@pytest.mark.parametrize(("lead", "other"), [(0.2, 0.4), (0.4, 0.3), (0.8, 0.1)])
def test_what_still_ties_goes_to_the_weights_nearest_to_the_reference(
    method: str, lead: float, other: float
) -> None:
    # Members that differ by rounding alone, so every candidate is as good as every other.
    same = dict.fromkeys(NAMES, LOGITS["b3"]) | {"b3": LOGITS["b3"] * (1 + 1e-12)}
    reference = {"b0": other + 0.01, "b3": lead, "r50": other - 0.01}
    sweep = find(method, same, reference=reference)
    losses = [candidate.nll for candidate in sweep.candidates]
    assert 0 < max(losses) - min(losses) < 1e-11
    assert sweep.weights == {"b0": other, "b3": lead, "r50": other}


def test_a_sweep_goes_to_json_with_weights_as_written() -> None:
    sweep = find("line")
    assert json.loads(json.dumps(asdict(sweep)))["candidates"][2]["weights"] == {
        "b0": 0.35,
        "b3": 0.3,
        "r50": 0.35,
    }
    assert "0000000" not in json.dumps([candidate.weights for candidate in find("simplex").candidates])


@pytest.mark.parametrize("method", ["line", "simplex"])
def test_one_member_has_one_candidate(method: str) -> None:
    sweep = find(method, {"b3": LOGITS["b3"]}, reference={"b3": 1.0})
    assert sweep.weights == {"b3": 1.0}
    assert len(sweep.candidates) == 1


def test_every_candidate_is_accepted_as_weights() -> None:
    for count in range(1, 6):
        names = [f"m{i}" for i in range(count)]
        logits = {name: np.zeros((1, 2)) for name in names}
        for weights in [*search.line(names, "m0"), *search.simplex(names), search.equal_weights(names)]:
            assert combine(logits, weights, "logits").shape == (1, 2)


def test_equal_weights_are_rounded_to_ten_digits() -> None:
    assert search.equal_weights(NAMES) == dict.fromkeys(NAMES, 0.3333333333)
    for names in ([], ["a", "a"]):
        with pytest.raises(ErktError, match="distinct members"):
            search.equal_weights(names)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"b0": 0.5, "b3": 0.5},
            r"weights name \['b0', 'b3'\], the members are \['b0', 'b3', 'r50'\]",
        ),
        ({"b0": 0.3, "b3": 0.3, "r50": 0.3}, "sum to 1"),
        ({"b0": -0.2, "b3": 0.6, "r50": 0.6}, "at least 0"),
        ({"b0": math.nan, "b3": 0.5, "r50": 0.5}, "at least 0"),
        ({"b0": 0.3, "b3": 0.4, "r50": 0.3 + 2e-6}, "sum to 1"),
    ],
)
def test_weights_that_form_no_mean_of_the_members_are_refused(
    weights: dict[str, float], message: str
) -> None:
    with pytest.raises(ErktError, match=f"^ensemble .*{message}"):
        combine(LOGITS, weights, "logits")
    with pytest.raises(ErktError, match=f"^ensemble .*{message}"):
        find("simplex", reference=weights)


def test_unusable_members_are_refused_by_name() -> None:
    with pytest.raises(ErktError, match=r"shapes \{\}"):
        combine({}, {}, "logits")
    with pytest.raises(ErktError, match=r"ensemble member r50: logits \(119, 5\) and labels \(120,\)"):
        find("line", LOGITS | {"r50": LOGITS["r50"][1:]})
    with pytest.raises(ErktError, match="ensemble member r50: the logits hold NaN"):
        find("line", LOGITS | {"r50": np.full((120, 5), np.nan)})
    with pytest.raises(ErktError, match=r"ensemble\.lead: 'b7' is not a member"):
        find("line", lead="b7")
