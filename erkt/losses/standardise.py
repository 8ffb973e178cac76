"""Logit standardisation: rows of logits as z-scores, so that a student need not match the teacher's scale.

S. Sun, W. Ren, J. Li, R. Wang and X. Cao, "Logit Standardization in Knowledge Distillation", CVPR 2024,
arXiv:2403.01427, algorithms 1 and 2. Student and teacher are standardised, each by itself, before the
division by tau, which the paper then calls base temperature. The loss is still multiplied by tau squared,
and the cross-entropy keeps the logits as they are. The authors take tau = 2 or 3. Since the deviation
divides the gradient too, they weigh KD by 9 against 0.1 for the cross-entropy (``loss_ratio`` 2/91), and
multiply both weights of DKD by 9.

Taken from the paper: the standard deviation of the population (divided by C), with which scores lie in
[-sqrt(C - 1), sqrt(C - 1)]; the authors' code has that of a sample (divided by C - 1). Taken from their
code: eps, which is added to the deviation. A row of equal logits is ours: see ``standardise``.
"""

import torch
from torch import Tensor

EPS = 1e-7
"""Added to the standard deviation."""


def standardise(logits: Tensor) -> Tensor:
    """Return the z-scores of each row over its classes, ``(z - mean(z)) / (std(z) + eps)``.

    Args:
        logits: (B, C).

    Returns:
        (B, C), in float32 (float64 stays float64): rows of mean 0 and deviation 1, the same for ``a * z + b``
        with any a > 0 and b. A row of equal logits gives zeros and passes no gradient, for it has no scale to
        divide by; eps alone would multiply its gradient by 1e7.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    constant = logits.amin(dim=1, keepdim=True) == logits.amax(dim=1, keepdim=True)
    logits = logits.masked_fill(constant, 0.0)
    std, mean = torch.std_mean(logits, dim=1, correction=0, keepdim=True)
    return (logits - mean) / (std + EPS)
