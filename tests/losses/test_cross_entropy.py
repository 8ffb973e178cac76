import math

import pytest
import torch

from erkt.losses.cross_entropy import cutmix_cross_entropy
from erkt.seeds import stream

LOGITS = torch.tensor(stream(0, "ce", "z").uniform(-4.0, 4.0, 6, 5))
A = torch.tensor(stream(0, "ce", "a").integers(5, 6))
B = torch.tensor(stream(0, "ce", "b").integers(5, 6))
ALPHA = torch.tensor([0.0, 0.25, 1.0, 0.3, 0.9, 0.5], dtype=torch.float64)


def test_it_equals_eq_11_with_a_share_for_each_sample() -> None:
    expected = 0.0
    for row, a, b, alpha in zip(LOGITS.tolist(), A.tolist(), B.tolist(), ALPHA.tolist(), strict=True):
        total = math.log(sum(math.exp(z) for z in row))
        expected += ((1 - alpha) * (total - row[a]) + alpha * (total - row[b])) / len(LOGITS)
    assert cutmix_cross_entropy(LOGITS, A, B, ALPHA).item() == pytest.approx(expected, rel=1e-12)
