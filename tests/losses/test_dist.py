import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from erkt.losses.dist import dist, intra_class, pearson
from erkt.seeds import stream

Array = NDArray[np.float64]


def logits(name: str, rows: int = 6, classes: int = 9) -> Array:
    return stream(0, "test_dist", name).uniform(-4.0, 4.0, rows, classes)


def reference_softmax(scores: Array, tau: float) -> Array:
    powers = [[math.exp(z / tau) for z in row] for row in scores]
    return np.array([[power / sum(row) for power in row] for row in powers])


def reference_distance(a: Array, b: Array) -> float:
    """Eq. 8, from sums over scalars."""
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    above = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    below = math.sqrt(sum((x - mean_a) ** 2 for x in a)) * math.sqrt(sum((y - mean_b) ** 2 for y in b))
    return float(1 - above / (below + 1e-8))


def reference_dist(student: Array, teacher: Array, tau: float) -> float:
    s, t = reference_softmax(student, tau), reference_softmax(teacher, tau)
    inter = sum(reference_distance(s[i], t[i]) for i in range(s.shape[0])) / s.shape[0]
    intra = sum(reference_distance(s[:, j], t[:, j]) for j in range(s.shape[1])) / s.shape[1]
    return 2 * (inter + intra)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0, 4.0])
def test_it_equals_the_equations_written_in_float64(tau: float) -> None:
    student, teacher = logits("s"), logits("t")
    expected = reference_dist(student, teacher, tau)
    for tau_squared, factor in ((False, 1), (True, tau**2)):
        found = dist(torch.tensor(student), torch.tensor(teacher), tau=tau, tau_squared=tau_squared)
        assert found.item() == pytest.approx(factor * expected, rel=1e-12)


def test_its_gradient_equals_finite_differences_of_the_equations() -> None:
    student, teacher = logits("s", 3, 4), logits("t", 3, 4)
    leaf = torch.tensor(student, requires_grad=True)
    dist(leaf, torch.tensor(teacher), tau=2.0, tau_squared=False).backward()
    step = 1e-6
    for index in np.ndindex(student.shape):
        nudge = np.zeros_like(student)
        nudge[index] = step
        up, down = (reference_dist(student + sign * nudge, teacher, 2.0) for sign in (1, -1))
        assert leaf.grad is not None
        assert leaf.grad[index].item() == pytest.approx((up - down) / (2 * step), abs=1e-8)


def test_eps_is_added_to_the_product_of_norms() -> None:
    # Centred rows (d, -d) have norm sqrt(2) d, so the correlation is 2 d^2 / (2 d^2 + 1e-8).
    d = 1e-4
    row = torch.tensor([[0.5 + d, 0.5 - d]], dtype=torch.float64)
    assert pearson(row, row).item() == pytest.approx(2 / 3, rel=1e-9)


def test_equal_logits_cost_nothing_and_opposite_ones_of_two_classes_eight() -> None:
    z = torch.tensor(logits("z"))
    assert dist(z, z.clone(), tau=2.0, tau_squared=False).item() == pytest.approx(0.0, abs=1e-5)
    # Every row and every column is perfectly anticorrelated: distance 2, both terms, weight 2.
    z = torch.tensor([[1.0, -1.0], [-3.0, 3.0], [0.5, -0.5]], dtype=torch.float64)
    assert dist(z, -z, tau=1.0, tau_squared=False).item() == pytest.approx(8.0, rel=1e-6)


@pytest.mark.parametrize("classes", [45, 1000])
def test_value_and_gradient_in_float32_are_those_of_float64_up_to_rounding(classes: int) -> None:
    found = {}
    for kind in (torch.float32, torch.float64):
        student, teacher = (torch.tensor(logits(name, 30, classes)).to(kind) for name in "st")
        loss = dist(student.requires_grad_(), teacher, tau=2.0, tau_squared=False)
        (gradient,) = torch.autograd.grad(loss, student)
        found[kind] = loss.item(), gradient.double()
    (value, gradient), (exact, exact_gradient) = found.values()
    assert value == pytest.approx(exact, rel=1e-6)
    assert (gradient - exact_gradient).norm() < 1e-5 * exact_gradient.norm()


def test_a_teacher_that_is_certain_leaves_value_and_gradient_finite() -> None:
    student = torch.tensor(logits("s"), dtype=torch.float32, requires_grad=True)
    loss = dist(student, 200.0 * torch.eye(9)[:6], tau=1.0, tau_squared=False)
    loss.backward()
    assert student.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


def test_one_sample_has_no_relation_within_a_class() -> None:
    p, q = (torch.tensor(reference_softmax(logits(name, 1), 1.0)) for name in "pq")
    assert intra_class(p, q).item() == 1.0
