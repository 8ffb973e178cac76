"""DKD: knowledge distillation split into its target and its non-target part.

B. Zhao, Q. Cui, R. Song, Y. Qiu and J. Liang, "Decoupled Knowledge Distillation", CVPR 2022,
arXiv:2203.08679. Two differences from its authors' code (mdistiller). Targets are dropped from the non-target
part exactly, by -inf instead of -1000. A CutMix sample has two targets, and the parts are then (p_a, p_b,
p_rest) and the classes that are neither, as mdistiller's maintainers advise. In both cases a row of
probabilities, softened on both sides, has ``KL(teacher || student) = TCKD + p_rest(teacher) * NCKD``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from erkt.losses.kd import soften


def warmup(epoch: int, warmup_epochs: int) -> float:
    """Return the factor of DKD's loss in ``epoch`` (from 0): 1 / warmup_epochs, 2 / warmup_epochs, ..., 1, 1.

    This is the schedule of the authors' code, ``min(epoch / warmup, 1)``, whose trainer counts epochs from 1.
    With ``warmup_epochs`` 0 the factor is 1 from the start.
    """
    return min((epoch + 1) / warmup_epochs, 1.0) if warmup_epochs else 1.0


def _targets(label_a: Tensor, label_b: Tensor, classes: int) -> Tensor:
    """Return a mask (B, classes), true at each row's one or two labels."""
    mask = torch.zeros(len(label_a), classes, dtype=torch.bool, device=label_a.device)
    return mask.scatter(1, torch.stack([label_a, label_b], dim=1), value=True)


def _target_part(student: Tensor, teacher: Tensor, target: Tensor, rest: Tensor) -> Tensor:
    """Return TCKD of each row, (B,), of softened logits: the KL over each target and the sum of the rest."""

    def split(logits: Tensor) -> tuple[Tensor, Tensor]:
        total = logits.logsumexp(dim=1, keepdim=True)
        others = logits.masked_fill(~rest, -torch.inf).logsumexp(dim=1, keepdim=True)
        return logits - total, others - total

    log_student, log_student_rest = split(student)
    log_teacher, log_teacher_rest = split(teacher)
    each = F.kl_div(log_student, log_teacher, reduction="none", log_target=True)
    others = F.kl_div(log_student_rest, log_teacher_rest, reduction="none", log_target=True)
    return each.masked_fill(~target, 0.0).sum(dim=1) + others.squeeze(1)


def _non_target_part(student: Tensor, teacher: Tensor, target: Tensor, rest: Tensor) -> Tensor:
    """Return NCKD of each row, (B,): the KL over the other classes alone, 0 where at most one is left."""

    def among_the_rest(logits: Tensor) -> Tensor:
        # Dropped classes come out as log 0; 0 on both sides makes their term 0, in the gradient too.
        return logits.masked_fill(~rest, -torch.inf).log_softmax(dim=1).masked_fill(target, 0.0)

    kl = F.kl_div(among_the_rest(student), among_the_rest(teacher), reduction="none", log_target=True)
    return kl.sum(dim=1)


def dkd(
    student: Tensor,
    teacher: Tensor,
    label_a: Tensor,
    label_b: Tensor,
    *,
    tau: float,
    alpha: float,
    beta: float,
) -> Tensor:
    """Return ``tau**2 * (alpha * TCKD + beta * NCKD)``, averaged over the batch, in float32.

    Args:
        student: logits (B, C).
        teacher: logits (B, C).
        label_a: int64 (B,), the class of the image.
        label_b: int64 (B,), the class of CutMix's patch; where it equals ``label_a`` the row has one target.
        tau: temperature, above 0.
        alpha: weight of the target part.
        beta: weight of the non-target part.

    Returns:
        A scalar, 0 or more, without the warm-up (see ``warmup``).
    """
    student, teacher = soften(student, tau), soften(teacher, tau)
    target = _targets(label_a, label_b, student.shape[1])
    # Where two targets are all the classes nothing is left to compare. Calling the rest "all of them" keeps
    # such a row finite: its rest is then certain on both sides, and its non-target part is masked.
    rest = ~target | target.all(dim=1, keepdim=True)
    rows = alpha * _target_part(student, teacher, target, rest)
    rows = rows + beta * _non_target_part(student, teacher, target, rest)
    return tau**2 * rows.mean()
