import dataclasses
from typing import Any

import pytest
import torch

from erkt.errors import ErktError
from erkt.losses.cross_entropy import cutmix_cross_entropy
from erkt.losses.dist import dist
from erkt.losses.dkd import dkd
from erkt.losses.kd import kd
from erkt.losses.objective import Objective
from erkt.params.loss import Dist, Dkd, Kd, Loss
from erkt.seeds import stream

SETTINGS = Loss("dist", 1.0, Dist(2.0, True), Kd(3.0), Dkd(4.0, 1.0, 8.0, 20))
STUDENT, TEACHER = (
    torch.tensor(stream(0, "objective", name).uniform(-4.0, 4.0, 6, 5), dtype=torch.float32) for name in "st"
)
A, B = (torch.tensor(stream(0, "objective", name).integers(5, 6)) for name in "ab")
ALPHA = torch.tensor(stream(0, "objective", "alpha").uniform(0.0, 1.0, 6), dtype=torch.float32)
CROSS = cutmix_cross_entropy(STUDENT, A, B, ALPHA)
PARTS = {
    "dist": dist(STUDENT, TEACHER, tau=2.0, tau_squared=True),
    "kd": kd(STUDENT, TEACHER, tau=3.0),
    "dkd": 0.5 * dkd(STUDENT, TEACHER, A, B, tau=4.0, alpha=1.0, beta=8.0),
}
"""The losses with their own settings; DKD's half way through its warm-up, in epoch 9."""


def objective(**changes: Any) -> Objective:
    return Objective(dataclasses.replace(SETTINGS, **changes))


@pytest.mark.parametrize("loss", PARTS)
@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.5])
def test_the_loss_is_the_ratio_of_its_two_parts(loss: str, ratio: float) -> None:
    found = objective(loss=loss, loss_ratio=ratio)(STUDENT, TEACHER, A, B, ALPHA, 9)
    assert torch.equal(found["cross_entropy"], CROSS)
    torch.testing.assert_close(found["distillation"], PARTS[loss])
    torch.testing.assert_close(found["loss"], ratio * CROSS + (2 - ratio) * PARTS[loss])


def test_ratio_two_is_twice_the_cross_entropy_and_reads_no_teacher() -> None:
    without = objective(loss_ratio=2.0)
    assert not without.needs_teacher
    unusable = torch.empty(1, 1, 1, device="meta")
    for teacher in (None, unusable):
        found = without(STUDENT, teacher, A, B, ALPHA, 0)
        assert set(found) == {"loss", "cross_entropy"}
        torch.testing.assert_close(found["loss"], 2 * CROSS)


@pytest.mark.parametrize("loss", ["dist", "kd"])
def test_ratio_zero_is_twice_the_distillation_and_reads_no_label(loss: str) -> None:
    unusable = torch.full((3,), 10**6)
    found = objective(loss=loss, loss_ratio=0.0)(STUDENT, TEACHER, unusable, unusable, ALPHA * 1e9, 0)
    assert set(found) == {"loss", "distillation"}
    torch.testing.assert_close(found["loss"], 2 * PARTS[loss])


@pytest.mark.parametrize("ratio", [0.0, 1.0, 2.0])
def test_none_is_the_cross_entropy_alone_whatever_the_ratio(ratio: float) -> None:
    alone = objective(loss="none", loss_ratio=ratio)
    found = alone(STUDENT, None, A, B, ALPHA, 0)
    assert not alone.needs_teacher
    assert set(found) == {"loss", "cross_entropy"}
    assert torch.equal(found["loss"], CROSS)


@pytest.mark.parametrize("loss", PARTS)
def test_gradients_flow_to_the_student_only(loss: str) -> None:
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    found = objective(loss=loss)(student, teacher, A, B, ALPHA, 0)
    found["loss"].backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().sum() > 0
    assert not found["cross_entropy"].requires_grad
    assert not found["distillation"].requires_grad


@pytest.mark.parametrize("loss", [*PARTS, "none"])
def test_half_logits_under_autocast_give_a_float32_loss(loss: str) -> None:
    student, teacher = STUDENT.bfloat16(), TEACHER.half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = objective(loss=loss)(student, teacher, A, B, ALPHA, 0)["loss"]
    expected = objective(loss=loss)(student.float(), teacher.float(), A, B, ALPHA, 0)["loss"]
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_a_teacher_that_is_missing_or_of_other_classes_is_one_clear_line() -> None:
    with pytest.raises(ErktError, match=r"^loss dist: no teacher logits given[^\n]*$"):
        objective()(STUDENT, None, A, B, ALPHA, 0)
    with pytest.raises(ErktError, match=r"shape \(6, 1\), the student's \(6, 5\)"):
        objective()(STUDENT, TEACHER[:, :1], A, B, ALPHA, 0)
