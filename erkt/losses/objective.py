"""The loss of a training step: cross-entropy, distillation, and their ratio (paper, eq. 12 and 15)."""

import torch
from torch import Tensor

from erkt.errors import ErktError
from erkt.losses.cross_entropy import cutmix_cross_entropy
from erkt.losses.dist import dist
from erkt.losses.dkd import dkd, warmup
from erkt.losses.kd import kd
from erkt.losses.multi_level import multi_level
from erkt.losses.standardise import standardise
from erkt.params.loss import Loss


class Objective:
    """``R * L_cross + (2 - R) * L_KD`` with R = ``settings.loss_ratio``; ``loss: none`` is L_cross alone.

    L_KD is DIST (eq. 12), Hinton's KD (eq. 6), DKD or the multi-level loss, as ``settings.loss`` says. A term
    of weight 0 is not computed: R = 2 reads no teacher, and R = 0 no label (but DKD is made of them).
    """

    def __init__(self, settings: Loss) -> None:
        self._settings = settings
        alone = settings.loss == "none"
        self._cross_weight = 1.0 if alone else settings.loss_ratio
        self._distill_weight = 0.0 if alone else 2.0 - settings.loss_ratio

    @property
    def needs_teacher(self) -> bool:
        """Whether the loss reads the teacher's logits."""
        return self._distill_weight > 0

    @property
    def same_from(self) -> int:
        """The epoch, from 0, from which on the loss does not depend on the epoch: after DKD's warm-up."""
        return self._settings.dkd.warmup_epochs if self._settings.loss == "dkd" else 0

    def __call__(
        self,
        student: Tensor,
        teacher: Tensor | None,
        label_a: Tensor,
        label_b: Tensor,
        alpha: Tensor,
        epoch: int,
    ) -> dict[str, Tensor]:
        """Return the loss of a batch and the terms it is made of.

        Args:
            student: logits (B, C), where gradients go.
            teacher: logits (B, C), taken as a constant; may be None unless ``needs_teacher``.
            label_a: int64 (B,), the class of the image.
            label_b: int64 (B,), the class of CutMix's patch.
            alpha: (B,), the patch's share of the image's area, in [0, 1].
            epoch: from 0; only DKD's warm-up depends on it.

        Returns:
            Scalars: ``loss``, to be differentiated, and without gradient those of ``cross_entropy`` (L_cross)
            and ``distillation`` (L_KD) that have a weight above 0.

        Raises:
            ErktError: a teacher is needed and missing, or its logits have another shape than the student's.
        """
        parts: dict[str, Tensor] = {}
        weighted: list[Tensor] = []
        if self._cross_weight > 0:
            parts["cross_entropy"] = cutmix_cross_entropy(student, label_a, label_b, alpha)
            weighted.append(self._cross_weight * parts["cross_entropy"])
        if self.needs_teacher:
            parts["distillation"] = self._distillation(student, teacher, label_a, label_b, alpha, epoch)
            weighted.append(self._distill_weight * parts["distillation"])
        return {"loss": torch.stack(weighted).sum()} | {name: part.detach() for name, part in parts.items()}

    def _distillation(
        self,
        student: Tensor,
        teacher: Tensor | None,
        label_a: Tensor,
        label_b: Tensor,
        alpha: Tensor,
        epoch: int,
    ) -> Tensor:
        settings = self._settings
        if teacher is None:
            raise ErktError(f"loss {settings.loss}: no teacher logits given, although loss_ratio is below 2")
        if teacher.shape != student.shape:
            raise ErktError(
                f"teacher logits have shape {tuple(teacher.shape)}, the student's {tuple(student.shape)}: "
                "both must be (batch, classes) of the same samples and classes"
            )
        teacher = teacher.detach()
        if settings.loss == "dist":
            return dist(student, teacher, tau=settings.dist.tau, tau_squared=settings.dist.tau_squared)
        if settings.loss == "multi_level":
            levels = settings.multi_level
            return multi_level(
                student,
                teacher,
                taus=levels.taus,
                instance=levels.instance,
                batch=levels.batch,
                classes=levels.classes,
                standardised=levels.standardised,
            )
        method = settings.kd if settings.loss == "kd" else settings.dkd
        if method.standardised:
            student, teacher = standardise(student), standardise(teacher)
        if settings.loss == "kd":
            return kd(student, teacher, tau=settings.kd.tau)
        # A patch that fills nothing, or all, leaves one class in the image.
        own, other = torch.where(alpha < 1, label_a, label_b), torch.where(alpha > 0, label_b, label_a)
        method = settings.dkd
        loss = dkd(student, teacher, own, other, tau=method.tau, alpha=method.alpha, beta=method.beta)
        return warmup(epoch, method.warmup_epochs) * loss
