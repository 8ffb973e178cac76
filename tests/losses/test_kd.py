import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from erkt.losses.kd import kd
from erkt.seeds import stream

STUDENT, TEACHER = (stream(0, "test_kd", name).uniform(-4.0, 4.0, 5, 7) for name in "st")


def reference_kd(student: NDArray[np.float64], teacher: NDArray[np.float64], tau: float) -> float:
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
    found = kd(torch.tensor(STUDENT), torch.tensor(TEACHER), tau=tau)
    assert found.item() == pytest.approx(reference_kd(STUDENT, TEACHER, tau), rel=1e-12)


def test_its_gradient_is_tau_times_the_difference_of_probabilities_by_rows() -> None:
    student, teacher = torch.tensor(STUDENT, requires_grad=True), torch.tensor(TEACHER)
    kd(student, teacher, tau=4.0).backward()
    expected = 4.0 * ((student.detach() / 4).softmax(dim=1) - (teacher / 4).softmax(dim=1)) / len(student)
    torch.testing.assert_close(student.grad, expected)


def test_certain_networks_that_disagree_leave_value_and_gradient_finite() -> None:
    student = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    teacher = torch.tensor([[0.0, 200.0, 0.0]])
    loss = kd(student, teacher, tau=1.0)
    loss.backward()
    assert loss.item() == pytest.approx(200.0)
    torch.testing.assert_close(student.grad, torch.tensor([[1.0, -1.0, 0.0]]))
