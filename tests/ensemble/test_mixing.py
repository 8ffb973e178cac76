import math

import numpy as np
import pytest
import torch
from scipy.special import softmax

from erkt.ensemble.mixing import Space, combine, mix
from erkt.errors import ErktError
from erkt.seeds import stream

LOGITS = stream(0, "mixture").uniform(-9.0, 9.0, 3, 8, 5).astype(np.float32)
MEMBERS = dict(zip("abc", LOGITS, strict=True))


@pytest.mark.parametrize("weights", [(0.3, 0.3, 0.4), (0.0, 0.1, 0.9), (0.0, 1.0, 0.0)])
def test_it_is_the_weighted_mean_of_logits_or_of_probabilities(weights: tuple[float, ...]) -> None:
    share = np.array(weights)[:, None, None]
    found = mix(torch.tensor(LOGITS), weights, "logits")
    np.testing.assert_allclose(found.numpy(), (share * LOGITS).sum(axis=0), rtol=1e-6, atol=2e-6)
    expected = (share * softmax(LOGITS.astype(float), axis=2)).sum(axis=0)
    found = mix(torch.tensor(LOGITS), weights, "probs")
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.exp().numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("space", ["logits", "probs"])
def test_stored_half_logits_are_mixed_in_float32(space: Space) -> None:
    stored = torch.tensor(LOGITS).half()
    found = mix(stored, [0.3, 0.3, 0.4], space)
    assert found.dtype == torch.float32
    assert torch.equal(found, mix(stored.float(), [0.3, 0.3, 0.4], space))


@pytest.mark.parametrize("space", ["logits", "probs"])
def test_members_are_found_by_name_in_any_order_and_mixed_in_float64(space: Space) -> None:
    weights = {"c": 0.5, "a": 0.2, "b": 0.3}
    found = combine(MEMBERS, weights, space)
    expected = mix(torch.tensor(LOGITS.astype(np.float64)), [0.2, 0.3, 0.5], space)
    np.testing.assert_array_equal(found, expected.numpy())
    assert found.dtype == np.float64


def test_hopeless_classes_keep_a_finite_score() -> None:
    logits = {"a": np.array([[0.0, -2000.0]]), "b": np.array([[0.0, -3000.0]])}
    found = combine(logits, {"a": 0.5, "b": 0.5}, "probs")
    np.testing.assert_allclose(found, [[0.0, -2000.0 + math.log(0.5)]])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5, 0.4, 0.2], "sum to 1"),
        ([0.3, 0.4, 0.3 + 2e-6], "sum to 1"),
        ([1.2, -0.4, 0.2], "at least 0"),
        ([math.nan, 0.5, 0.5], "sum to 1"),
    ],
)
def test_weights_that_form_no_mean_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(ErktError, match=message):
        mix(torch.tensor(LOGITS), weights, "logits")


def test_weights_and_members_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(ErktError, match="2 weights for 3 teachers"):
        mix(torch.tensor(LOGITS), [0.5, 0.5], "logits")
    with pytest.raises(ErktError, match=r"weights name \['a'\], the members are \['a', 'b', 'c'\]"):
        combine(MEMBERS, {"a": 1.0}, "logits")
    with pytest.raises(ErktError, match="expected one"):
        combine({"a": LOGITS[0], "b": LOGITS[1, 1:]}, {"a": 0.5, "b": 0.5}, "logits")
