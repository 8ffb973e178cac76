import math

import pytest
import torch
import torch.nn.functional as F

from erkt.losses.cross_entropy import cutmix_cross_entropy
from erkt.seeds import stream

LOGITS = torch.tensor(stream(0, "ce", "z").uniform(-4.0, 4.0, 6, 5), dtype=torch.float32)
A = torch.tensor(stream(0, "ce", "a").integers(5, 6))
B = torch.tensor(stream(0, "ce", "b").integers(5, 6))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_one_share_for_all_weighs_two_plain_cross_entropies(share: float) -> None:
    expected = (1 - share) * F.cross_entropy(LOGITS, A) + share * F.cross_entropy(LOGITS, B)
    torch.testing.assert_close(cutmix_cross_entropy(LOGITS, A, B, torch.full((6,), share)), expected)


def test_each_sample_has_its_own_share() -> None:
    # A row's L_A and L_B by hand: uniform over 4 classes is log 4; (log 3, 0, -inf, -inf) has 3/4 and 1/4.
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [math.log(3.0), 0.0, -1e9, -1e9]])
    a, b = torch.tensor([0, 0]), torch.tensor([1, 1])
    found = cutmix_cross_entropy(logits, a, b, torch.tensor([0.9, 0.2]))
    expected = (math.log(4) + 0.8 * math.log(4 / 3) + 0.2 * math.log(4)) / 2
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_exchanging_image_and_patch_changes_nothing() -> None:
    alpha = torch.tensor(stream(0, "ce", "alpha").uniform(0.0, 1.0, 6), dtype=torch.float32)
    torch.testing.assert_close(
        cutmix_cross_entropy(LOGITS, A, B, alpha), cutmix_cross_entropy(LOGITS, B, A, 1 - alpha)
    )


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_inputs_are_computed_in_float32(kind: torch.dtype) -> None:
    alpha = torch.full((6,), 0.3, dtype=torch.float64)
    found = cutmix_cross_entropy(LOGITS.to(kind), A, B, alpha)
    assert found.dtype == torch.float32
    assert torch.equal(found, cutmix_cross_entropy(LOGITS.to(kind).float(), A, B, alpha))
