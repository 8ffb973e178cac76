import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from erkt.losses.kd import kd
from erkt.losses.multi_level import batch_level, class_level, multi_level
from erkt.losses.standardise import standardise
from erkt.seeds import stream

Array = NDArray[np.float64]
STUDENT, TEACHER = (stream(0, "test_multi_level", name).uniform(-4.0, 4.0, 6, 5) for name in "st")
S, T = torch.tensor(STUDENT), torch.tensor(TEACHER)
TAUS = (2.0, 3.0, 6.0)
OFF: dict[str, Any] = {"instance": 0.0, "batch": 0.0, "classes": 0.0, "standardised": False}
WEIGHTS: dict[str, Any] = {"instance": 0.5, "batch": 3.0, "classes": 0.25}


def reference_softmax(scores: Array, tau: float) -> Array:
    powers = [[math.exp(z / tau) for z in row] for row in scores]
    return np.array([[power / sum(row) for power in row] for row in powers])


def reference_relations(a: Array) -> Array:
    """Inner products of the rows of ``a``, one by one."""
    return np.array([[sum(x * y for x, y in zip(one, two, strict=True)) for two in a] for one in a])


def reference_levels(student: Array, teacher: Array, tau: float) -> tuple[float, float, float]:
    """The three levels of one temperature, from sums over scalars."""
    p, q = reference_softmax(student, tau), reference_softmax(teacher, tau)
    kl = sum(b * math.log(b / a) for a, b in zip(p.flat, q.flat, strict=True))
    batch = sum(d**2 for d in (reference_relations(p) - reference_relations(q)).flat)
    classes = sum(d**2 for d in (reference_relations(p.T) - reference_relations(q.T)).flat)
    return tau**2 * kl / len(p), batch / len(p), classes / p.shape[1]


@pytest.mark.parametrize("level", range(3))
@pytest.mark.parametrize("taus", [(1.0,), (4.0,), TAUS])
def test_each_level_is_its_formula_in_float64_summed_over_temperatures(
    level: int, taus: tuple[float, ...]
) -> None:
    expected = sum(reference_levels(STUDENT, TEACHER, tau)[level] for tau in taus)
    weight = dict.fromkeys([("instance", "batch", "classes")[level]], 1.0)
    found = multi_level(S, T, taus=taus, **OFF | weight)
    assert found.item() == pytest.approx(expected, rel=1e-10)


def test_levels_add_up_by_their_weights() -> None:
    expected = 0.0
    for tau in TAUS:
        instance, batch, classes = reference_levels(STUDENT, TEACHER, tau)
        expected += 0.5 * instance + 3.0 * batch + 0.25 * classes
    found = multi_level(S, T, taus=TAUS, **WEIGHTS, standardised=False)
    assert found.item() == pytest.approx(expected, rel=1e-10)


def test_standardised_logits_are_the_instance_level_s_alone() -> None:
    relations = multi_level(S, T, taus=TAUS, **WEIGHTS | {"instance": 0.0}, standardised=True)
    torch.testing.assert_close(
        relations, multi_level(S, T, taus=TAUS, **WEIGHTS | {"instance": 0.0}, standardised=False)
    )
    instance = sum(kd(standardise(S), standardise(T), tau=tau) for tau in TAUS)
    found = multi_level(S, T, taus=TAUS, **WEIGHTS, standardised=True)
    torch.testing.assert_close(found, 0.5 * instance + relations)
    alone = OFF | {"instance": 1.0, "standardised": True}
    scaled = multi_level(20.0 * S - 3.0, 0.5 * T, taus=TAUS, **alone)
    torch.testing.assert_close(scaled, instance, rtol=1e-6, atol=0.0)


def test_a_student_without_a_clue_of_a_certain_teacher_has_known_levels() -> None:
    # C samples of C classes: G = M = I for the teacher and 1 / C everywhere for the student, whose squared
    # distance is C (1 - 1/C)^2 + C (C - 1) / C^2 = C - 1; each row has KL = log C.
    student, teacher = torch.zeros(5, 5), 1e4 * torch.eye(5)
    found = multi_level(student, teacher, taus=(2.0, 3.0), **WEIGHTS, standardised=False)
    expected = 0.5 * (4.0 + 9.0) * math.log(5.0) + 2 * (3.0 + 0.25) * 4.0 / 5.0
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_levels_grow_with_the_batch_as_stated() -> None:
    """A batch of the same samples twice: batch level times 2, class level times 4."""
    p, q = (torch.tensor(reference_softmax(z, 2.0)) for z in (STUDENT, TEACHER))
    pp, qq = p.repeat(2, 1), q.repeat(2, 1)
    torch.testing.assert_close(batch_level(pp, qq), 2 * batch_level(p, q))
    torch.testing.assert_close(class_level(pp, qq), 4 * class_level(p, q))


@pytest.mark.parametrize("standardised", [False, True])
def test_equal_logits_cost_nothing_and_the_order_of_samples_and_of_classes_does_not_count(
    standardised: bool,
) -> None:
    settings = WEIGHTS | {"standardised": standardised}
    assert multi_level(T, T.clone(), taus=TAUS, **settings).item() == pytest.approx(0.0, abs=1e-12)
    expected = multi_level(S, T, taus=TAUS, **settings)
    assert expected > 0.1
    samples, classes = torch.tensor([3, 0, 5, 1, 4, 2]), torch.tensor([2, 4, 0, 1, 3])
    for rows, columns in ((samples, torch.arange(5)), (torch.arange(6), classes)):
        s, t = S[rows][:, columns], T[rows][:, columns]
        torch.testing.assert_close(multi_level(s, t, taus=TAUS, **settings), expected)


def test_relations_do_not_see_what_only_the_instance_level_sees() -> None:
    """Exchanged classes leave relations of samples, exchanged samples those of classes; both move KL."""
    q = torch.tensor(reference_softmax(TEACHER, 2.0))
    assert batch_level(q.roll(1, dims=1), q) < 1e-12 < class_level(q.roll(1, dims=1), q)
    assert class_level(q.roll(1, dims=0), q) < 1e-12 < batch_level(q.roll(1, dims=0), q)


@pytest.mark.parametrize("standardised", [False, True])
def test_its_gradient_equals_finite_differences(standardised: bool) -> None:
    assert torch.autograd.gradcheck(
        lambda z: multi_level(z, T, taus=TAUS, **WEIGHTS, standardised=standardised),
        (S.clone().requires_grad_(),),
        atol=1e-6,
    )


@pytest.mark.parametrize("standardised", [False, True])
def test_logits_of_ten_thousand_leave_value_and_gradient_finite(standardised: bool) -> None:
    student = (1e4 * torch.eye(5)).requires_grad_()
    teacher = 1e4 * torch.eye(5).roll(1, dims=1) - 5e3
    loss = multi_level(student, teacher, taus=TAUS, **WEIGHTS, standardised=standardised)
    loss.backward()
    assert student.grad is not None
    assert loss > 1.0
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


def test_float32_is_float64_up_to_rounding_for_a_batch_of_thirty() -> None:
    student, teacher = (stream(0, "test_multi_level", name).uniform(-9.0, 9.0, 30, 45) for name in "uv")
    found = {}
    for kind in (torch.float32, torch.float64):
        leaf = torch.tensor(student).to(kind).requires_grad_()
        loss = multi_level(leaf, torch.tensor(teacher).to(kind), taus=TAUS, **WEIGHTS, standardised=True)
        (gradient,) = torch.autograd.grad(loss, leaf)
        found[kind] = loss.item(), gradient.double()
    (value, gradient), (exact, exact_gradient) = found.values()
    assert value == pytest.approx(exact, rel=1e-5)
    assert (gradient - exact_gradient).norm() < 1e-5 * exact_gradient.norm()
