"""Multi-level distillation: predictions, relations of samples and of classes, at several temperatures.

Y. Jin, J. Wang and D. Lin, "Multi-Level Logit Distillation", CVPR 2023, pages 24276 to 24285. With p (B, C)
the softmax of logits / tau, each temperature adds three levels. Instance: ``tau**2 * KL(teacher ||
student)``, the mean over rows. Batch: the squared distance of the Gram matrices ``p @ p.T`` (B, B), over B.
Class: that of ``p.T @ p`` (C, C), over C. Formulas, factors and temperatures (2 to 6, all levels with one
weight) are those of the authors' code. It weighs the sum by 0.9 against 0.1 for the cross-entropy, as
``loss_ratio`` 0.2 does.

Left out: the second, stronger augmentation of each image, and the thresholds on the teacher's confidence.
(In their code a threshold multiplies a loss that is averaged already, and so only scales it.) With
standardised logits, as S. Sun et al. (arXiv:2403.01427) combine both in their code, the instance level
alone has them.

No level reads a label or the order of the samples. The two of a CutMix pair share pixels and so resemble
each other, to the teacher as to the student: what they share is in the target matrix already, and no entry
is left out. For predictions alike, the batch level grows with B and the class level with its square.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from erkt.losses.kd import kd, soften
from erkt.losses.standardise import standardise


def batch_level(student: Tensor, teacher: Tensor) -> Tensor:
    """Return ``|S @ S.T - T @ T.T|**2 / B`` (Frobenius norm) of probabilities (B, C): how samples relate.

    The result is a scalar in [0, B].
    """
    return (student @ student.T - teacher @ teacher.T).square().sum() / len(student)


def class_level(student: Tensor, teacher: Tensor) -> Tensor:
    """Return ``|S.T @ S - T.T @ T|**2 / C`` (Frobenius norm) of probabilities (B, C): how classes relate.

    The result is a scalar in [0, 2 * B**2 / C].
    """
    return (student.T @ student - teacher.T @ teacher).square().sum() / student.shape[1]


def multi_level(
    student: Tensor,
    teacher: Tensor,
    *,
    taus: Sequence[float],
    instance: float,
    batch: float,
    classes: float,
    standardised: bool,
) -> Tensor:
    """Return the weighted sum of the three levels, summed over temperatures, computed in float32 at least.

    Args:
        student: logits (B, C).
        teacher: logits (B, C).
        taus: temperatures, one or more, each above 0.
        instance: weight of the instance level.
        batch: weight of the batch level.
        classes: weight of the class level.
        standardised: give the instance level standardised logits.

    Returns:
        A scalar, 0 or more.
    """
    rows = (standardise(student), standardise(teacher)) if standardised else (student, teacher)
    terms: list[Tensor] = []
    with torch.autocast(student.device.type, enabled=False):  # it would multiply matrices in half precision
        for tau in taus:
            p_student = soften(student, tau).softmax(dim=1)
            p_teacher = soften(teacher, tau).softmax(dim=1)
            terms.append(instance * kd(*rows, tau=tau))
            terms.append(batch * batch_level(p_student, p_teacher))
            terms.append(classes * class_level(p_student, p_teacher))
    return torch.stack(terms).sum()
