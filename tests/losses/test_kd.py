import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from erkt.losses.kd import kd, soften
from erkt.seeds import stream

Array = NDArray[np.float64]


def logits(name: str, rows: int = 5, classes: int = 7) -> Array:
    return stream(0, "test_kd", name).uniform(-4.0, 4.0, rows, classes)


def reference_kd(student: Array, teacher: Array, tau: float) -> float:
    """Eq. 5 and 6, from sums over scalars, averaged over rows."""
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        sum_s, sum_t = (sum(math.exp(z / tau) for z in row) for row in (s, t))
        for a, b in zip(s, t, strict=True):
            p_s, p_t = math.exp(a / tau) / sum_s, math.exp(b / tau) / sum_t
            total += tau**2 * p_t * math.log(p_t / p_s)
    return total / len(student)


@pytest.mark.parametrize("tau", [0.5, 1.0, 4.0])
def test_it_equals_the_equation_written_in_float64(tau: float) -> None:
    student, teacher = logits("s"), logits("t")
    found = kd(torch.tensor(student), torch.tensor(teacher), tau=tau)
    assert found.item() == pytest.approx(reference_kd(student, teacher, tau), rel=1e-12)


def test_two_classes_have_a_closed_form() -> None:
    # Teacher (3/4, 1/4), student (1/2, 1/2): 3/4 log 3/2 + 1/4 log 1/2.
    student, teacher = torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[math.log(3.0), 0.0]]).double()
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert kd(student, teacher, tau=1.0).item() == pytest.approx(expected, rel=1e-6)


def test_its_gradient_is_tau_times_the_difference_of_probabilities_by_rows() -> None:
    student = torch.tensor(logits("s"), requires_grad=True)
    teacher = torch.tensor(logits("t"))
    kd(student, teacher, tau=4.0).backward()
    expected = 4.0 * ((student.detach() / 4).softmax(dim=1) - (teacher / 4).softmax(dim=1)) / len(student)
    torch.testing.assert_close(student.grad, expected)


def test_equal_logits_up_to_a_shift_cost_nothing() -> None:
    z = torch.tensor(logits("z"))
    assert kd(z + 3.0, z, tau=2.0).item() == pytest.approx(0.0, abs=1e-12)


def test_repeating_the_batch_changes_nothing() -> None:
    student, teacher = torch.tensor(logits("s")), torch.tensor(logits("t"))
    twice = kd(torch.cat([student, student]), torch.cat([teacher, teacher]), tau=2.0)
    torch.testing.assert_close(twice, kd(student, teacher, tau=2.0))


def test_certain_networks_that_disagree_leave_value_and_gradient_finite() -> None:
    student = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    teacher = torch.tensor([[0.0, 200.0, 0.0]])
    loss = kd(student, teacher, tau=1.0)
    loss.backward()
    assert loss.item() == pytest.approx(200.0)
    torch.testing.assert_close(student.grad, torch.tensor([[1.0, -1.0, 0.0]]))


def test_half_inputs_are_softened_in_float32() -> None:
    student, teacher = torch.tensor(logits("s")).half(), torch.tensor(logits("t")).half()
    found = kd(student, teacher, tau=3.0)
    assert found.dtype == torch.float32
    assert torch.equal(found, kd(student.float(), teacher.float(), tau=3.0))
    assert torch.equal(soften(student, 3.0), student.float() / 3.0)
