"""Cross-entropy of a sample that CutMix made of two (paper, eq. 11)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from erkt.data.index import NO_LABEL


def cutmix_cross_entropy(logits: Tensor, label_a: Tensor, label_b: Tensor, alpha: Tensor) -> Tensor:
    """Return eq. 11, ``(1 - alpha) * L_A + alpha * L_B``, averaged over what is labelled, in float32.

    An image or patch without a label, ``NO_LABEL``, adds nothing, and the average is over the share of all
    pixels that have one. Where all have, that is the mean over the batch.

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
    share = _labelled_share(label_a != NO_LABEL, label_b != NO_LABEL, alpha).mean()
    return ((1.0 - alpha) * loss_a + alpha * loss_b).mean() / share.where(share > 0, 1.0)


def _labelled_share(has_a: Tensor, has_b: Tensor, alpha: Tensor) -> Tensor:
    """Return each image's labelled share (B,): exactly 1 where both labels are there, 0 where none is."""
    return has_a.to(alpha.dtype) + alpha * (has_b.to(alpha.dtype) - has_a.to(alpha.dtype))
