from typing import Literal

import numpy as np
import pytest
import torch
from scipy.special import softmax

from erkt.ensemble.mixing import mix
from erkt.errors import ErktError
from erkt.seeds import stream

Space = Literal["logits", "probs"]
LOGITS = stream(0, "mixture").uniform(-9.0, 9.0, 3, 8, 5).astype(np.float32)


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


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5, 0.5], "2 weights for 3 teachers"),
        ([0.5, 0.4, 0.2], "sum to 1"),
        ([1.2, -0.4, 0.2], "at least 0"),
        ([float("nan"), 0.5, 0.5], "sum to 1"),
    ],
)
def test_weights_that_form_no_mean_of_the_teachers_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(ErktError, match=message):
        mix(torch.tensor(LOGITS), weights, "logits")
