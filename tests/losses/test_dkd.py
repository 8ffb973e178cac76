import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.losses.dkd import dkd, warmup
from erkt.losses.kd import kd
from erkt.seeds import stream

Array = NDArray[np.float64]


def logits(name: str, rows: int = 6, classes: int = 7) -> Tensor:
    return torch.tensor(stream(0, "test_dkd", name).uniform(-4.0, 4.0, rows, classes))


STUDENT, TEACHER = logits("s"), logits("t")
A = torch.tensor(stream(0, "test_dkd", "a").integers(7, 6))
B = torch.where(torch.arange(6) < 3, A, (A + 2) % 7)  # one target in three rows, two in the others


def reference_kl(q: list[float], p: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(q, p, strict=True))


def reference_parts(student: Array, teacher: Array, targets: set[int], tau: float) -> tuple[float, float]:
    """TCKD and NCKD of a row, from probabilities and lists of classes."""
    p, q = (np.exp(z / tau) / np.exp(z / tau).sum() for z in (student, teacher))
    kept = [c for c in range(len(p)) if c not in targets]
    binary_p, binary_q = ([*(r[c] for c in sorted(targets)), sum(r[c] for c in kept)] for r in (p, q))
    others_p, others_q = ([r[c] / sum(r[k] for k in kept) for c in kept] for r in (p, q))
    return reference_kl(binary_q, binary_p), reference_kl(others_q, others_p)


@pytest.mark.parametrize("tau", [1.0, 4.0])
def test_it_equals_the_paper_s_parts_with_one_and_with_two_targets(tau: float) -> None:
    expected = 0.0
    for s, t, first, second in zip(STUDENT.numpy(), TEACHER.numpy(), A.tolist(), B.tolist(), strict=True):
        tckd, nckd = reference_parts(s, t, {first, second}, tau)
        expected += tau**2 * (1.5 * tckd + 8.0 * nckd) / 6
    for labels in ((A, B), (B, A)):
        found = dkd(STUDENT, TEACHER, *labels, tau=tau, alpha=1.5, beta=8.0)
        assert found.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("second", [2, 5])
def test_the_parts_of_a_row_add_up_to_plain_distillation(second: int) -> None:
    # KL = TCKD + p_rest NCKD with the teacher's p_rest at the same temperature; label 2 alone, then 2 and 5.
    student, teacher = STUDENT[:1], TEACHER[:1]
    soft = (teacher[0] / 4.0).softmax(dim=0)
    p_rest = 1.0 - sum(soft[c].item() for c in {2, second})
    found = dkd(student, teacher, torch.tensor([2]), torch.tensor([second]), tau=4.0, alpha=1.0, beta=p_rest)
    torch.testing.assert_close(found, kd(student, teacher, tau=4.0))


def test_its_gradient_equals_finite_differences() -> None:
    student = STUDENT.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: dkd(z, TEACHER, A, B, tau=2.0, alpha=1.0, beta=8.0), (student,), atol=1e-6
    )


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 1), (0, 1), (2, 3)])
def test_certain_networks_leave_value_and_gradient_finite(first: int, second: int) -> None:
    student = torch.tensor([[200.0, -200.0, 0.0, 0.0]], requires_grad=True)
    teacher = torch.tensor([[-200.0, 200.0, 0.0, 0.0]])
    loss = dkd(student, teacher, torch.tensor([first]), torch.tensor([second]), tau=1.0, alpha=1.0, beta=8.0)
    loss.backward()
    assert student.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize("second", [0, 1])
def test_two_classes_leave_plain_distillation_whether_one_is_a_target_or_both(second: int) -> None:
    student, teacher = logits("s", 1, 2).requires_grad_(), logits("t", 1, 2)
    loss = dkd(student, teacher, torch.tensor([0]), torch.tensor([second]), tau=2.0, alpha=1.0, beta=1e6)
    loss.backward()
    torch.testing.assert_close(loss, kd(student, teacher, tau=2.0))
    expected = 2.0 * ((student.detach() / 2).softmax(dim=1) - (teacher / 2).softmax(dim=1))
    torch.testing.assert_close(student.grad, expected)


def test_a_nearly_certain_teacher_s_rest_is_not_rounded_away() -> None:
    # Each other class has probability e^-60: far below float32's resolution beside 1, yet their shares count.
    student, teacher = torch.tensor([[60.0, 0.0, 1.0]]), torch.tensor([[60.0, 1.0, 0.0]])
    label = torch.tensor([0])
    share = math.e / (1 + math.e)
    expected = reference_kl([share, 1 - share], [1 - share, share])
    found = dkd(student, teacher, label, label, tau=1.0, alpha=0.0, beta=1.0)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_warm_up_rises_linearly_from_its_first_step_to_one() -> None:
    assert [warmup(epoch, 4) for epoch in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert warmup(0, 0) == 1.0
