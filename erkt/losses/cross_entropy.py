"""Cross-entropy of a sample that CutMix made of two (paper, eq. 11)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from erkt.data.index import NO_LABEL


def cutmix_cross_entropy(logits: Tensor, label_a: Tensor, label_b: Tensor, alpha: Tensor) -> Tensor:
    """Return eq. 11, ``(1 - alpha) * L_A + alpha * L_B``, averaged over the batch, in float32.

    An image or patch without a label, ``NO_LABEL``, adds nothing, so that each label weighs as much as in a
    batch where all have one. Averaged over the labelled alone, three labels of thirty images would weigh ten
    times as much: their noise then rules the step.

    Args:
        logits: (B, C).
        label_a: int64 (B,), the class of the image, or ``NO_LABEL``.
        label_b: int64 (B,), the class of the patch, or ``NO_LABEL``.
        alpha: (B,), the patch's share of the image's area, in [0, 1]; 0 leaves plain cross-entropy.

    Returns:
        A scalar, 0 or more; 0 with a gradient of 0 where nothing is labelled.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    alpha = alpha.to(logits.dtype)
    loss_a = F.cross_entropy(logits, label_a, reduction="none", ignore_index=NO_LABEL)
    loss_b = F.cross_entropy(logits, label_b, reduction="none", ignore_index=NO_LABEL)
    return ((1.0 - alpha) * loss_a + alpha * loss_b).mean()
