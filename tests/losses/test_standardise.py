import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.losses.dkd import dkd
from erkt.losses.kd import kd
from erkt.losses.standardise import standardise
from erkt.seeds import stream

Array = NDArray[np.float64]
STUDENT, TEACHER = (
    torch.tensor(stream(0, "test_standardise", name).uniform(-4.0, 4.0, 6, 7)) for name in "st"
)
A = torch.tensor(stream(0, "test_standardise", "a").integers(7, 6))
B = torch.where(torch.arange(6) < 3, A, (A + 2) % 7)
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "kd": lambda s, t: kd(standardise(s), standardise(t), tau=2.0),
    "dkd": lambda s, t: dkd(standardise(s), standardise(t), A, B, tau=2.0, alpha=1.0, beta=8.0),
}


def reference_probabilities(row: Array, tau: float) -> list[float]:
    """The softmax of algorithm 1's scores, from sums over scalars."""
    mean = sum(row) / len(row)
    std = math.sqrt(sum((z - mean) ** 2 for z in row) / len(row))
    powers = [math.exp((z - mean) / std / tau) for z in row]
    return [power / sum(powers) for power in powers]


def reference_kl(q: list[float], p: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(q, p, strict=True))


@pytest.mark.parametrize("tau", [1.0, 2.0, 3.0])
def test_kd_is_algorithm_two_written_in_float64(tau: float) -> None:
    expected = 0.0
    for s, t in zip(STUDENT.numpy(), TEACHER.numpy(), strict=True):
        kl = reference_kl(reference_probabilities(t, tau), reference_probabilities(s, tau))
        expected += tau**2 * kl / len(STUDENT)
    found = kd(standardise(STUDENT), standardise(TEACHER), tau=tau)
    assert found.item() == pytest.approx(expected, rel=1e-6)  # the paper has no eps


def test_dkd_is_made_of_the_scores_over_all_classes() -> None:
    """Its targets are dropped after the mean and the deviation are taken."""
    expected = 0.0
    for s, t, first, second in zip(STUDENT.numpy(), TEACHER.numpy(), A.tolist(), B.tolist(), strict=True):
        p, q = reference_probabilities(s, 2.0), reference_probabilities(t, 2.0)
        targets = sorted({first, second})
        kept = [c for c in range(7) if c not in targets]
        parts_p, parts_q = ([*(r[c] for c in targets), sum(r[c] for c in kept)] for r in (p, q))
        rest_p, rest_q = ([r[c] / sum(r[k] for k in kept) for c in kept] for r in (p, q))
        expected += 4.0 * (reference_kl(parts_q, parts_p) + 8.0 * reference_kl(rest_q, rest_p)) / 6
    assert LOSSES["dkd"](STUDENT, TEACHER).item() == pytest.approx(expected, rel=1e-6)


def test_rows_have_mean_0_deviation_1_and_the_paper_s_bound() -> None:
    scores = standardise(STUDENT).numpy()
    np.testing.assert_allclose(scores.mean(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose((scores**2).mean(axis=1), 1.0, rtol=1e-6)
    # One class apart from all others reaches the bound: sqrt(C - 1), against -1 / sqrt(C - 1) for the others.
    apart = standardise(5.0 * torch.eye(5, dtype=torch.float64))
    expected = 2.5 * torch.eye(5, dtype=torch.float64) - 0.5
    torch.testing.assert_close(apart, expected, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("name", LOSSES)
def test_scale_and_shift_of_either_side_s_rows_do_not_count(name: str) -> None:
    loss, exact = LOSSES[name], LOSSES[name](STUDENT, TEACHER).item()
    scale = torch.tensor([0.5, 1.0, 2.0, 3.0, 10.0, 100.0], dtype=torch.float64)[:, None]
    shift = torch.tensor([-50.0, 0.0, 1.0, 2.0, 3.0, 1000.0], dtype=torch.float64)[:, None]
    assert exact > 0.1
    assert loss(scale * STUDENT + shift, TEACHER).item() == pytest.approx(exact, rel=1e-6)
    assert loss(STUDENT, scale * TEACHER + shift).item() == pytest.approx(exact, rel=1e-6)
    assert loss(scale * TEACHER + shift, TEACHER).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_equals_finite_differences_and_changes_neither_scale_nor_shift(name: str) -> None:
    student = STUDENT.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: LOSSES[name](z, TEACHER), (student,), atol=1e-6)
    (gradient,) = torch.autograd.grad(LOSSES[name](student, TEACHER), student)
    assert gradient.abs().max() > 0.01
    assert gradient.sum(dim=1).abs().max() < 1e-12
    assert ((gradient * student).sum(dim=1)).abs().max() < 1e-6


@pytest.mark.parametrize("kind", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_rows_of_equal_logits_are_uniform_and_pass_no_gradient(name: str, kind: torch.dtype) -> None:
    level = torch.tensor([0.0, 1e-3, 0.1, 1 / 3, -7.7, 1e4], dtype=kind)[:, None]
    student = (level + torch.zeros(1, 7)).to(kind).requires_grad_()
    loss = LOSSES[name](student, TEACHER.to(kind))
    loss.backward()
    assert student.grad is not None
    assert standardise(student).abs().max() == 0.0
    assert student.grad.abs().max() == 0.0
    assert torch.isfinite(loss)
    flat_teacher = LOSSES[name](TEACHER.to(kind), student.detach())
    assert flat_teacher.item() == pytest.approx(LOSSES[name](TEACHER.to(kind), 0 * TEACHER.to(kind)).item())


def test_one_flat_row_leaves_the_gradients_of_the_others() -> None:
    flat = STUDENT.clone()
    flat[0] = 0.3
    gradients = []
    for student in (STUDENT.clone().requires_grad_(), flat.requires_grad_()):
        LOSSES["kd"](student, TEACHER).backward()
        assert student.grad is not None
        gradients.append(student.grad)
    torch.testing.assert_close(gradients[0][1:], gradients[1][1:])
    assert gradients[1][0].abs().max() == 0.0


@pytest.mark.parametrize("name", LOSSES)
def test_logits_of_ten_thousand_and_nearly_flat_rows_leave_value_and_gradient_finite(name: str) -> None:
    large = 1e4 * torch.eye(7)[:6]
    nearly_flat = torch.full((6, 7), 1.0)
    nearly_flat[:, 0] = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
    for row in (large, large - 1e4, -large, nearly_flat):
        student = row.clone().requires_grad_()
        loss = LOSSES[name](student, large.roll(1, dims=1))
        loss.backward()
        assert student.grad is not None
        assert torch.isfinite(loss)
        assert torch.isfinite(student.grad).all()


def test_half_precision_is_left_before_the_mean() -> None:
    exact = standardise(STUDENT.half().double())
    found = standardise(STUDENT.half())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-5)
