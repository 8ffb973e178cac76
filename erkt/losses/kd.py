"""Knowledge distillation by softened probabilities (paper, eq. 5 and 6).

G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def soften(logits: Tensor, tau: float) -> Tensor:
    """Return ``logits / tau``, what eq. 5 gives to the softmax, in float32 (float64 stays float64).

    Half precision is left before the division: in float16 small probabilities vanish, and with them what a
    softened teacher has to say.
    """
    return logits.to(torch.promote_types(logits.dtype, torch.float32)) / tau


def kd(student: Tensor, teacher: Tensor, *, tau: float) -> Tensor:
    """Return eq. 6, ``tau**2 * KL(teacher || student)`` at temperature ``tau``, averaged over the batch.

    Args:
        student: logits (B, C).
        teacher: logits (B, C).
        tau: temperature, above 0.

    Returns:
        A scalar, 0 or more: a sum over classes and a mean over rows (``batchmean``; torch's default ``mean``
        would divide by C as well).
    """
    log_student = F.log_softmax(soften(student, tau), dim=1)
    log_teacher = F.log_softmax(soften(teacher, tau), dim=1)
    return tau**2 * F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
