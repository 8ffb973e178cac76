"""Training without a teacher: how the teachers themselves are trained."""

from torch import Tensor

from erkt.losses.cross_entropy import cutmix_cross_entropy


class Supervised:
    """The CutMix cross-entropy of eq. 11 alone; an ``erkt.training.step.Objective``."""

    needs_teacher = False
    same_from = 0

    def __call__(
        self,
        student: Tensor,
        teacher: Tensor | None,
        label_a: Tensor,
        label_b: Tensor,
        alpha: Tensor,
        epoch: int,
    ) -> dict[str, Tensor]:
        """Return ``{"loss": ...}`` for logits (B, C); ``teacher`` and ``epoch`` play no part."""
        return {"loss": cutmix_cross_entropy(student, label_a, label_b, alpha)}
