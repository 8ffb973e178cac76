"""One step of the training loop: forward pass, loss, backward pass, AdamW (Algorithm 1).

Each step seeds torch from a number of its own, so that dropout and drop path need no saved state.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from erkt.networks.models import Classifier
from erkt.networks.precision import running
from erkt.networks.recompute import statistics_kept
from erkt.params.recipe import Recipe
from erkt.training.ranks import ALONE, Ranks


class Objective(Protocol):
    """What a training step minimises."""

    @property
    def needs_teacher(self) -> bool:
        """Whether teacher logits are read at all."""

    @property
    def same_from(self) -> int:
        """The epoch, from 0, from which on the loss no longer depends on the epoch."""

    def __call__(
        self,
        student: Tensor,
        teacher: Tensor | None,
        label_a: Tensor,
        label_b: Tensor,
        alpha: Tensor,
        epoch: int,
    ) -> dict[str, Tensor]:
        """Return ``loss`` and its named parts, scalars, for student and teacher logits (B, C)."""


class Shown(NamedTuple):
    """What a step sees of a batch, on the network's device.

    ``images``: float32 (B, 3, S, S) in [0, 1], channels last. ``teacher``: logits (B, C), or None without a
    teacher. ``label_a``, ``label_b``: int64 (B,). ``alpha``: float32 (B,) in [0, 1].
    """

    images: Tensor
    teacher: Tensor | None
    label_a: Tensor
    label_b: Tensor
    alpha: Tensor


class Step:
    """The steps that train ``model``, on its device by now, under ``objective``."""

    def __init__(
        self,
        model: Classifier,
        objective: Objective,
        recipe: Recipe,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self._model, self._objective, self._recipe = model, objective, recipe
        self._device, self._ranks = device, ranks
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = self._adamw()

    def __call__(self, shown: Shown, *, count: int, seed: int, rate: float, epoch: int) -> dict[str, Tensor]:
        """Take a step at learning rate ``rate``; return the parts of the loss, scalars without gradient.

        ``shown`` is this process's share of a batch of ``count`` samples. ``seed`` fixes dropout and drop
        path; the caller's random state stays as it is.
        """
        self._set(rate)
        with _seeded(seed, self._device):
            return self._take(shown, count, epoch)

    def _adamw(self) -> torch.optim.AdamW:
        recipe = self._recipe
        return torch.optim.AdamW(
            self.parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )

    def _set(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _take(self, shown: Shown, count: int, epoch: int) -> dict[str, Tensor]:
        model, whole = self._model, self._ranks.whole
        with running(self._recipe.precision, self._device):
            logits: Tensor = model(shown.images)
        parts = self._objective(
            whole(logits.to(torch.promote_types(logits.dtype, torch.float32)), count),
            whole(shown.teacher, count),
            whole(shown.label_a, count),
            whole(shown.label_b, count),
            whole(shown.alpha, count),
            epoch,
        )
        self.optimizer.zero_grad(set_to_none=True)
        with statistics_kept(model):
            parts["loss"].backward()  # type: ignore[no-untyped-call]  # torch's own stub
        self._ranks.add_up(self.parameters, model)
        if self._recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self._recipe.clip_norm)
        self.optimizer.step()
        return {name: part.detach() for name, part in parts.items()}


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        # torch.manual_seed would do, but where there is no GPU it formats a stack trace at every call.
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        yield
