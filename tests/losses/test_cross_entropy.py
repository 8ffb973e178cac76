import math

import pytest
import torch
import torch.nn.functional as F

from erkt.losses.cross_entropy import cutmix_cross_entropy
from erkt.seeds import stream

LOGITS = torch.tensor(stream(0, "ce", "z").uniform(-4.0, 4.0, 6, 5))
A = torch.tensor(stream(0, "ce", "a").integers(5, 6))
B = torch.tensor(stream(0, "ce", "b").integers(5, 6))
ALPHA = torch.tensor([0.0, 0.25, 1.0, 0.3, 0.9, 0.5], dtype=torch.float64)


def by_hand(a: list[int], b: list[int]) -> tuple[float, list[list[float]]]:
    """Return loss and gradient, image by image; -1 is no label, and counts for nothing."""
    loss, gradient = 0.0, []
    for row, p, q, x in zip(LOGITS.tolist(), a, b, ALPHA.tolist(), strict=True):
        total = math.log(sum(math.exp(z) for z in row))
        slope = [0.0] * len(row)
        for label, weight in ((p, (1 - x) / len(a)), (q, x / len(a))):
            if label < 0:
                continue
            loss += weight * (total - row[label])
            for place, z in enumerate(row):
                slope[place] += weight * (math.exp(z - total) - (place == label))
        gradient.append(slope)
    return loss, gradient


def test_it_equals_eq_11_with_a_share_for_each_sample() -> None:
    expected, _ = by_hand(A.tolist(), B.tolist())
    assert cutmix_cross_entropy(LOGITS, A, B, ALPHA).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("no_a", "no_b"),
    [([], []), ([0, 4], []), ([], [1, 3]), ([0, 1, 2], [2, 3, 4]), ([0, 1, 2, 3, 4, 5], [0, 2, 3, 4, 5])],
)
def test_what_has_no_label_counts_for_nothing_in_loss_and_gradient(no_a: list[int], no_b: list[int]) -> None:
    a, b = A.clone(), B.clone()
    a[no_a], b[no_b] = -1, -1
    logits = LOGITS.clone().requires_grad_()
    loss = cutmix_cross_entropy(logits, a, b, ALPHA)
    loss.backward()
    expected, gradient = by_hand(a.tolist(), b.tolist())
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(logits.grad, torch.tensor(gradient, dtype=torch.float64))


@pytest.mark.parametrize("alpha", [ALPHA, torch.zeros(6), torch.ones(6)])
def test_a_batch_without_any_label_has_neither_loss_nor_gradient(alpha: torch.Tensor) -> None:
    logits = LOGITS.clone().requires_grad_()
    nothing = torch.full((6,), -1)
    loss = cutmix_cross_entropy(logits, nothing, nothing, alpha)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(LOGITS))


def test_labels_that_no_pixel_shows_are_as_good_as_none() -> None:
    """Where the only labelled thing is a patch of no area, the batch has nothing to learn from labels."""
    logits = LOGITS[:1].float().requires_grad_()
    loss = cutmix_cross_entropy(logits, torch.tensor([-1]), B[:1], torch.zeros(1))
    loss.backward()
    assert (loss.item(), logits.grad.abs().max().item()) == (0, 0)


def test_a_label_weighs_the_same_whatever_else_is_labelled() -> None:
    """The gradient of one labelled image is that of the fully labelled batch; of the others there is none."""
    gradients = []
    for labels in (A, torch.where(torch.arange(6) == 2, A, -1)):
        logits = LOGITS.clone().requires_grad_()
        cutmix_cross_entropy(logits, labels, labels, ALPHA).backward()
        gradients.append(logits.grad)
    assert torch.equal(gradients[0][2], gradients[1][2])
    assert not gradients[1][[0, 1, 3, 4, 5]].any()


@pytest.mark.parametrize("size", [2, 7, 30, 64, 101])
def test_a_fully_labelled_batch_keeps_every_bit_of_the_plain_mean(size: int) -> None:
    """Against eq. 11 as it was without unlabelled images, in float32, loss and gradient."""
    draws = stream(1, "ce", size)
    logits = torch.tensor(draws.uniform(-9.0, 9.0, size, 45), dtype=torch.float32)
    a, b = (torch.tensor(draws.integers(45, size)) for _ in range(2))
    alpha = torch.tensor(draws.doubles(size), dtype=torch.float32)
    ours, plain = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss = cutmix_cross_entropy(ours, a, b, alpha)
    each_a, each_b = (F.cross_entropy(plain, label, reduction="none") for label in (a, b))
    expected = ((1.0 - alpha) * each_a + alpha * each_b).mean()
    loss.backward()
    expected.backward()
    assert torch.equal(loss, expected)
    assert torch.equal(ours.grad, plain.grad)
