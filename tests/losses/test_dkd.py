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


def labels(name: str, rows: int = 6, classes: int = 7) -> Tensor:
    return torch.tensor(stream(0, "test_dkd", name).integers(classes, rows))


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
    student, teacher, a = logits("s"), logits("t"), labels("a")
    b = torch.where(torch.arange(6) < 3, a, (a + 2) % 7)
    expected = 0.0
    for s, t, first, second in zip(student.numpy(), teacher.numpy(), a.tolist(), b.tolist(), strict=True):
        tckd, nckd = reference_parts(s, t, {first, second}, tau)
        expected += tau**2 * (1.5 * tckd + 8.0 * nckd) / 6
    found = dkd(student, teacher, a, b, tau=tau, alpha=1.5, beta=8.0)
    assert found.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("second", [2, 5])
def test_the_parts_of_a_row_add_up_to_plain_distillation(second: int) -> None:
    # KL = TCKD + p_rest NCKD with the teacher's p_rest at the same temperature; label 2 alone, then 2 and 5.
    student, teacher = logits("s", 1), logits("t", 1)
    a, b = torch.tensor([2]), torch.tensor([second])
    soft = (teacher[0] / 4.0).softmax(dim=0)
    p_rest = 1.0 - sum(soft[c].item() for c in {2, second})
    found = dkd(student, teacher, a, b, tau=4.0, alpha=1.0, beta=p_rest)
    torch.testing.assert_close(found, kd(student, teacher, tau=4.0))


def test_the_target_part_ignores_how_the_rest_is_shared_and_the_other_part_ignores_the_target() -> None:
    student, teacher = logits("s", 1), logits("t", 1)
    label = torch.tensor([3])
    order = torch.tensor([1, 2, 0, 3, 6, 4, 5])
    target = dkd(student, teacher, label, label, tau=1.0, alpha=1.0, beta=0.0)
    torch.testing.assert_close(
        dkd(student[:, order], teacher, label, label, tau=1.0, alpha=1.0, beta=0.0), target
    )
    others = dkd(student, teacher, label, label, tau=1.0, alpha=0.0, beta=1.0)
    raised = student.clone()
    raised[0, 3] += 5000.0
    torch.testing.assert_close(dkd(raised, teacher, label, label, tau=1.0, alpha=0.0, beta=1.0), others)


def test_the_names_of_the_classes_do_not_matter() -> None:
    student, teacher, a, b = logits("s"), logits("t"), labels("a"), labels("b")
    order = torch.tensor(stream(0, "order").permutation(7))
    place = torch.argsort(order)
    found = dkd(student[:, order], teacher[:, order], place[a], place[b], tau=2.0, alpha=1.0, beta=8.0)
    torch.testing.assert_close(found, dkd(student, teacher, a, b, tau=2.0, alpha=1.0, beta=8.0))


def test_the_order_of_the_two_labels_does_not_matter() -> None:
    student, teacher, a, b = logits("s"), logits("t"), labels("a"), labels("b")
    forth = dkd(student, teacher, a, b, tau=2.0, alpha=1.0, beta=8.0)
    assert torch.equal(forth, dkd(student, teacher, b, a, tau=2.0, alpha=1.0, beta=8.0))


def test_its_gradient_equals_finite_differences() -> None:
    student, teacher = logits("s").requires_grad_(), logits("t")
    a, b = labels("a"), labels("b")
    assert torch.autograd.gradcheck(
        lambda z: dkd(z, teacher, a, b, tau=2.0, alpha=1.0, beta=8.0), (student,), atol=1e-6
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


def test_two_classes_and_one_target_leave_the_target_part_alone() -> None:
    # Teacher (3/4, 1/4), student (1/2, 1/2): the plain KL; one other class has nothing to compare.
    student = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[math.log(3.0), 0.0]], dtype=torch.float64)
    label = torch.tensor([0])
    loss = dkd(student, teacher, label, label, tau=1.0, alpha=1.0, beta=1e6)
    loss.backward()
    assert loss.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), rel=1e-12)
    torch.testing.assert_close(student.grad, torch.tensor([[-0.25, 0.25]], dtype=torch.float64))


def test_two_classes_that_are_both_targets_cost_plain_distillation() -> None:
    student, teacher = logits("s", 1, 2).requires_grad_(), logits("t", 1, 2)
    loss = dkd(student, teacher, torch.tensor([0]), torch.tensor([1]), tau=2.0, alpha=1.0, beta=8.0)
    loss.backward()
    torch.testing.assert_close(loss, kd(student, teacher, tau=2.0))
    expected = 2.0 * ((student.detach() / 2).softmax(dim=1) - (teacher / 2).softmax(dim=1))
    torch.testing.assert_close(student.grad, expected)


def test_a_nearly_certain_teacher_s_rest_is_not_rounded_away() -> None:
    # Each other class has probability e^-60: far below float32's resolution beside 1, yet their shares count.
    student = torch.tensor([[60.0, 0.0, 1.0]])
    teacher = torch.tensor([[60.0, 1.0, 0.0]])
    label = torch.tensor([0])
    share = math.e / (1 + math.e)
    expected = reference_kl([share, 1 - share], [1 - share, share])
    found = dkd(student, teacher, label, label, tau=1.0, alpha=0.0, beta=1.0)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_half_inputs_are_computed_in_float32() -> None:
    student, teacher, a, b = logits("s").half(), logits("t").half(), labels("a"), labels("b")
    found = dkd(student, teacher, a, b, tau=3.0, alpha=1.0, beta=8.0)
    assert found.dtype == torch.float32
    assert torch.equal(found, dkd(student.float(), teacher.float(), a, b, tau=3.0, alpha=1.0, beta=8.0))


def test_the_warm_up_rises_linearly_from_its_first_step_to_one() -> None:
    assert [warmup(epoch, 4) for epoch in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert warmup(0, 0) == 1.0
