import dataclasses
from typing import Any

import pytest
import torch

from erkt.errors import ErktError
from erkt.losses.cross_entropy import cutmix_cross_entropy
from erkt.losses.dist import dist
from erkt.losses.dkd import dkd
from erkt.losses.kd import kd
from erkt.losses.multi_level import multi_level
from erkt.losses.objective import Objective
from erkt.losses.standardise import standardise
from erkt.params.loss import Dist, Dkd, Kd, Loss, MultiLevel
from erkt.seeds import stream

SETTINGS = Loss(
    loss="dist",
    loss_ratio=1.0,
    dist=Dist(2.0, tau_squared=True),
    kd=Kd(3.0, standardised=False),
    dkd=Dkd(4.0, 1.0, 8.0, 20, standardised=False),
    multi_level=MultiLevel((2.0, 5.0), 0.5, 3.0, 0.25, standardised=False),
)
LEVELS: dict[str, Any] = {"taus": (2.0, 5.0), "instance": 0.5, "batch": 3.0, "classes": 0.25}
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
    "multi_level": multi_level(STUDENT, TEACHER, **LEVELS, standardised=False),
}
"""The losses with their own settings; DKD's half way through its warm-up, in epoch 9."""


def objective(**changes: Any) -> Objective:
    return Objective(dataclasses.replace(SETTINGS, **changes))


Z_STUDENT, Z_TEACHER = standardise(STUDENT), standardise(TEACHER)
STANDARDISED = {
    "kd": kd(Z_STUDENT, Z_TEACHER, tau=3.0),
    "dkd": 0.5 * dkd(Z_STUDENT, Z_TEACHER, A, B, tau=4.0, alpha=1.0, beta=8.0),
    "multi_level": multi_level(STUDENT, TEACHER, **LEVELS, standardised=True),
}


def standardised(loss: str) -> Objective:
    return objective(loss=loss, **{loss: dataclasses.replace(getattr(SETTINGS, loss), standardised=True)})


OBJECTIVES = {loss: objective(loss=loss) for loss in [*PARTS, "none"]}
OBJECTIVES |= {f"{loss}_standardised": standardised(loss) for loss in STANDARDISED}


@pytest.mark.parametrize("loss", PARTS)
@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.5])
def test_the_loss_is_the_ratio_of_its_two_parts(loss: str, ratio: float) -> None:
    found = objective(loss=loss, loss_ratio=ratio)(STUDENT, TEACHER, A, B, ALPHA, 9)
    assert torch.equal(found["cross_entropy"], CROSS)
    torch.testing.assert_close(found["distillation"], PARTS[loss])
    torch.testing.assert_close(found["loss"], ratio * CROSS + (2 - ratio) * PARTS[loss])


def test_the_class_of_a_patch_that_is_not_there_is_no_target_of_dkd() -> None:
    """Images that are not mixed have their partner's label beside their own, with a share of 0."""
    parted = objective(loss="dkd")
    for share, label in ((0.0, A), (1.0, B)):
        found = parted(STUDENT, TEACHER, A, B, torch.full_like(ALPHA, share), 9)["distillation"]
        expected = 0.5 * dkd(STUDENT, TEACHER, label, label, tau=4.0, alpha=1.0, beta=8.0)
        torch.testing.assert_close(found, expected)
        assert not torch.isclose(found, PARTS["dkd"])


def test_ratio_two_is_twice_the_cross_entropy_and_reads_no_teacher() -> None:
    without = objective(loss_ratio=2.0)
    assert not without.needs_teacher
    unusable = torch.empty(1, 1, 1, device="meta")
    for teacher in (None, unusable):
        found = without(STUDENT, teacher, A, B, ALPHA, 0)
        assert set(found) == {"loss", "cross_entropy"}
        torch.testing.assert_close(found["loss"], 2 * CROSS)


@pytest.mark.parametrize("loss", ["dist", "kd", "multi_level"])
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


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"none"}))
def test_gradients_flow_to_the_student_only(name: str) -> None:
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    found = OBJECTIVES[name](student, teacher, A, B, ALPHA, 0)
    found["loss"].backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().sum() > 0
    assert not found["cross_entropy"].requires_grad
    assert not found["distillation"].requires_grad


@pytest.mark.parametrize("loss", STANDARDISED)
def test_logits_are_standardised_for_the_distillation_alone(loss: str) -> None:
    found = standardised(loss)(STUDENT, TEACHER, A, B, ALPHA, 9)
    torch.testing.assert_close(found["distillation"], STANDARDISED[loss])
    assert not torch.isclose(found["distillation"], PARTS[loss], rtol=0.01)
    assert torch.equal(found["cross_entropy"], CROSS)


@pytest.mark.parametrize("loss", PARTS)
def test_what_another_loss_has_set_changes_nothing(loss: str) -> None:
    others = {
        name: dataclasses.replace(getattr(SETTINGS, name), standardised=True)
        for name in STANDARDISED
        if name != loss
    }
    found = objective(loss=loss, **others)(STUDENT, TEACHER, A, B, ALPHA, 9)
    assert torch.equal(found["distillation"], PARTS[loss])


@pytest.mark.parametrize("name", OBJECTIVES)
def test_half_logits_under_autocast_give_a_float32_loss(name: str) -> None:
    student, teacher = STUDENT.bfloat16(), TEACHER.half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = OBJECTIVES[name](student, teacher, A, B, ALPHA, 0)["loss"]
    expected = OBJECTIVES[name](student.float(), teacher.float(), A, B, ALPHA, 0)["loss"]
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_a_teacher_that_is_missing_or_of_other_classes_is_one_clear_line() -> None:
    with pytest.raises(ErktError, match=r"^loss dist: no teacher logits given[^\n]*$"):
        objective()(STUDENT, None, A, B, ALPHA, 0)
    with pytest.raises(ErktError, match=r"shape \(6, 1\), the student's \(6, 5\)"):
        objective()(STUDENT, TEACHER[:, :1], A, B, ALPHA, 0)
