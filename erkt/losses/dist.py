"""DIST: relations between and within classes, matched by correlation (paper, eq. 8 to 10 and 12).

T. Huang, S. You, F. Wang, C. Qian and C. Xu, "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022,
arXiv:2205.10536. As in its authors' code the softmax is inside the loss, on both sides, and eps is *added* to
the product of norms: clamping the norms instead changes the intra-class term once a teacher is saturated.
"""

import torch
from torch import Tensor

from erkt.losses.kd import soften

EPS = 1e-8
"""Keeps the correlation of a constant vector at 0 instead of 0 / 0."""

WEIGHT = 2.0
"""Weight of both terms in eq. 12."""


def pearson(a: Tensor, b: Tensor, dim: int = 1) -> Tensor:
    """Return Pearson's correlation (eq. 8's rho) of each row of ``a`` with its row of ``b``.

    Args:
        a: (N, M), float32 or float64.
        b: (N, M), the same type.
        dim: 1 for rows, 0 for columns.

    Returns:
        (N,), or (M,) for columns, in [-1, 1]; 0 where a row is constant.
    """
    a = a - a.mean(dim, keepdim=True)
    b = b - b.mean(dim, keepdim=True)
    norms: Tensor = torch.linalg.vector_norm(a, dim=dim) * torch.linalg.vector_norm(b, dim=dim)
    return (a * b).sum(dim) / (norms + EPS)


def inter_class(student: Tensor, teacher: Tensor) -> Tensor:
    """Return eq. 9, the mean over samples of the Pearson distance between rows of probabilities (B, C).

    The result is a scalar in [0, 2].
    """
    return 1.0 - pearson(student, teacher).mean()


def intra_class(student: Tensor, teacher: Tensor) -> Tensor:
    """Return eq. 10, the mean over all classes of the Pearson distance between columns of (B, C).

    The result is a scalar in [0, 2]. Classes absent from the batch count too: their probabilities still vary.
    """
    return 1.0 - pearson(student, teacher, dim=0).mean()


def dist(student: Tensor, teacher: Tensor, *, tau: float, tau_squared: bool) -> Tensor:
    """Return L_DIST of eq. 15, ``2 * (inter + intra)``, computed in float32 whatever autocast says.

    Args:
        student: logits (B, C).
        teacher: logits (B, C).
        tau: temperature of the softmax on both sides, above 0.
        tau_squared: multiply by ``tau**2`` as the authors' code does; the equations do not.

    Returns:
        A scalar, 0 or more.
    """
    with torch.autocast(student.device.type, enabled=False):  # eps underflows in float16
        p_student = soften(student, tau).softmax(dim=1)
        p_teacher = soften(teacher, tau).softmax(dim=1)
        loss = WEIGHT * (inter_class(p_student, p_teacher) + intra_class(p_student, p_teacher))
    return tau**2 * loss if tau_squared else loss
