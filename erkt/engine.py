"""The one training loop, for teachers and student alike (Algorithm 1).

The loop knows neither distillation nor caching: an objective turns logits into a loss, and ``teach`` says
where a batch's teacher logits come from. Each step seeds torch from (seed, step), so that dropout and drop
path need no saved state. Deliberately absent: Algorithm 1's accuracy on the test part after each epoch.
"""

import math
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from erkt.batches import Batch, ViewBatches
from erkt.errors import ErktError
from erkt.models import Classifier
from erkt.params.recipe import Recipe
from erkt.seeds import derive

Teach = Callable[[Batch], Tensor]


class Objective(Protocol):
    """What a training step minimises."""

    @property
    def needs_teacher(self) -> bool:
        """Whether teacher logits are read at all."""

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


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Return the rate at ``progress`` epochs: a linear rise over the warm-up, then half a cosine down to 0."""
    if progress < recipe.warmup_epochs:
        return recipe.learning_rate * progress / recipe.warmup_epochs
    share = (progress - recipe.warmup_epochs) / (recipe.epochs - recipe.warmup_epochs)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def fit(
    model: Classifier,
    data: ViewBatches,
    objective: Objective,
    recipe: Recipe,
    seed: int,
    teach: Teach | None = None,
    validate: Callable[[], dict[str, float]] = dict,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[dict[str, float]]:
    """Train ``model`` in place; yield after each epoch its number (from 1), last rate and mean loss parts.

    ``teach`` maps a batch to teacher logits (B, C) and is called only if the objective needs them.
    ``validate`` runs after each epoch; what it returns joins the epoch's numbers.
    ``on_step`` hears how many steps of how many are done. Raises ErktError at the first loss that is not
    finite, with its epoch and step.
    """
    model.to(data.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own stub
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, foreach=True
    )
    step = 0
    for epoch in range(recipe.epochs):
        view, order = data.epoch(epoch)
        model.train()
        sums: dict[str, Tensor] = {}
        for done, positions in enumerate(order):
            rate = learning_rate(recipe, epoch + done / len(order))
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = data.batch(view, positions)
            parts = _losses(model, batch, objective, recipe, derive(seed, "step", step), epoch, teach)
            _check_finite(parts["loss"], epoch, step)
            optimizer.zero_grad(set_to_none=True)
            parts["loss"].backward()  # type: ignore[no-untyped-call]  # torch's own stub
            optimizer.step()
            step += 1
            for name, part in parts.items():
                sums[name] = sums.get(name, 0) + part.detach().double() * len(positions)
            on_step(step, recipe.epochs * len(order))
        means = {name: total.item() / len(data.subset) for name, total in sums.items()}
        yield {"epoch": epoch + 1, "learning_rate": rate, **means, **validate()}


def _losses(
    model: Classifier,
    batch: Batch,
    objective: Objective,
    recipe: Recipe,
    seed: int,
    epoch: int,
    teach: Teach | None,
) -> dict[str, Tensor]:
    teacher = teach(batch) if teach is not None and objective.needs_teacher else None
    device = batch.images.device
    images = batch.images.contiguous(memory_format=torch.channels_last)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
            logits = model(images)
    return objective(logits.float(), teacher, batch.label_a, batch.label_b, batch.alpha, epoch)


def _check_finite(loss: Tensor, epoch: int, step: int) -> None:
    if not torch.isfinite(loss):
        raise ErktError(
            f"the loss is {loss.item()} at epoch {epoch + 1}, step {step + 1}; lower recipe.learning_rate"
        )
