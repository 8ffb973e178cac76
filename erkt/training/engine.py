"""The one training loop, for teachers and student alike (Algorithm 1).

The loop knows neither distillation nor caching: an objective turns logits into a loss, and ``teach`` says
where a batch's teacher logits come from. A step (``erkt.training.step``) is seeded from (seed, step), so that
training that goes on from a checkpoint ends with the same bits. Several processes may run the loop together,
each on its share of every batch (``erkt.training.ranks``). Deliberately absent: Algorithm 1's accuracy on the
test part after each epoch.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from erkt.errors import ErktError
from erkt.inflight.checkpoints import NO_CHECKPOINTS, Checkpoint, Checkpoints
from erkt.networks.models import Classifier, put_on
from erkt.networks.recompute import forget_activations
from erkt.params.recipe import Recipe
from erkt.params.resizing import OFF, Resizing
from erkt.teachers.teach import Teach
from erkt.training.agreed import Agreed
from erkt.training.averaging import Average, average_of
from erkt.training.finite import FiniteLosses
from erkt.training.graphs import RecordedStep, Recorder, own_recorder
from erkt.training.ranks import ALONE, Ranks
from erkt.training.resizing import shrunk, side_at
from erkt.training.step import Objective, Shown, Step
from erkt.views.batches import Batch, ViewBatches


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Return the rate at ``progress`` epochs: a linear rise in the warm-up, then half a cosine to 0."""
    if progress < recipe.warmup_epochs:
        return recipe.learning_rate * progress / recipe.warmup_epochs
    share = (progress - recipe.warmup_epochs) / (recipe.epochs - recipe.warmup_epochs)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


@dataclass
class _Place:
    """How far training is: ``done`` batches of ``epoch``, ``step`` in all; the epoch's sums, earlier rows.

    ``sums``, float64, has one for each part of the loss, as ``names`` says; None before the first step.
    """

    epoch: int = 0
    done: int = 0
    step: int = 0
    rate: float = 0.0
    names: tuple[str, ...] = ()
    sums: Tensor | None = None
    rows: list[dict[str, float]] = field(default_factory=list)


def fit(
    model: Classifier,
    data: ViewBatches,
    objective: Objective,
    *,
    recipe: Recipe,
    seed: int,
    teach: Teach | None = None,
    validate: Callable[[], dict[str, float]] = dict,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    resizing: Resizing = OFF,
    averaging: float = 0.0,
    recompute: bool = False,
    ranks: Ranks = ALONE,
    graphs: bool | Recorder = False,
) -> Iterator[dict[str, float]]:
    """Train ``model`` in place; yield after each epoch its number (from 1), last rate and mean loss parts.

    ``teach`` maps a batch to teacher logits (B, C) and is called only if the objective needs them.
    ``validate`` runs after each epoch, in the first process; what it returns joins the epoch's numbers.
    ``on_step`` hears how many steps of how many are done.
    ``checkpoints`` hold weights, moments and place after a step; epochs that a restored one has behind it are
    yielded again, from its records. With the same number of threads on the same CPU the end is the same, bit
    for bit, as without the interruption. ``resizing`` and ``averaging`` are those of
    ``erkt.params.distill``; where weights are averaged, ``model`` has the average after its last step.
    ``ranks`` are the processes that call this with the same arguments; each ends with the same weights.
    ``graphs`` launches each step as a whole on a GPU, or by a recorder that is given, where one process
    trains alone (``erkt.training.graphs``).

    Raises ErktError naming epoch and step of the first loss that is not finite, and before a checkpoint with
    weights that are not. A GPU's losses are looked at every so many steps, at an epoch's end, and before a
    checkpoint: the last one kept is good. Raises ErktError as ``Ranks.deal`` does, and where a step that
    ``graphs`` ask for cannot be recorded.
    """
    if recompute:
        forget_activations(model)
    ranks.prepare(model, data.device)
    put_on(model, data.device)
    recorder = own_recorder(data.device) if graphs is True else graphs or None
    if recorder is None or ranks is not ALONE:
        step = Step(model, objective, recipe, data.device, ranks)
    else:
        step = RecordedStep(model, objective, recipe, data.device, recorder)
    average, losses = average_of(model, averaging), FiniteLosses(data.device)
    checkpoints = checkpoints if ranks is ALONE else Agreed(checkpoints, ranks)
    place, kept = _Place(), checkpoints.restore(data.device)
    if kept is not None:
        place = _restore(kept, model, step, average)
    yield from place.rows
    while place.epoch < recipe.epochs:
        view, order = data.epoch(place.epoch, recipe.epochs)
        shares = ranks.deal(order)
        model.train()
        for batch in data.stream(view, shares[place.done :]):
            count, progress = len(order[place.done]), place.epoch + place.done / len(order)
            place.rate = learning_rate(recipe, progress)
            teacher = teach(batch) if teach is not None and objective.needs_teacher else None
            side = side_at(resizing, data.subset.side, progress / recipe.epochs)
            parts = step(
                _shown(batch, teacher, side),
                count=count,
                seed=ranks.seed(seed, place.step),
                rate=place.rate,
                epoch=place.epoch,
            )
            losses.add(parts["loss"], place.epoch, place.step)
            if average is not None:
                average.update_parameters(model)
            place.step, place.done = place.step + 1, place.done + 1
            _add(place, parts, count)
            on_step(place.step, recipe.epochs * len(order))
            checkpoints.after_step(lambda: _capture(model, step, average, place, losses))
        losses.look()
        if average is not None and place.epoch + 1 == recipe.epochs:
            model.load_state_dict(average.module.state_dict())
        means = {name: total / len(data.subset) for name, total in _sums(place).items()}
        checked = validate() if ranks.number == 0 else {}
        row = {"epoch": place.epoch + 1, "learning_rate": place.rate, **means, **checked}
        place.rows, place.sums = [*place.rows, row], None
        place.epoch, place.done = place.epoch + 1, 0
        yield row


def _add(place: _Place, parts: dict[str, Tensor], count: int) -> None:
    """Add the parts of a batch of ``count`` samples, whose means they are, to the epoch's sums."""
    values = torch.stack(list(parts.values())).double()
    place.names = tuple(parts)
    place.sums = values * count if place.sums is None else place.sums.add_(values, alpha=count)


def _sums(place: _Place) -> dict[str, float]:
    """Return the epoch's sums so far by name; the host waits for the device."""
    return {} if place.sums is None else dict(zip(place.names, place.sums.tolist(), strict=True))


def _capture(
    model: Classifier, step: Step, average: Average | None, place: _Place, losses: FiniteLosses
) -> Checkpoint:
    losses.look()
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for number, parameter in enumerate(step.parameters):
        for name, tensor in step.optimizer.state[parameter].items():
            tensors[f"optimizer.{number}.{name}"] = tensor
    finite = [tensor.isfinite().all() for tensor in tensors.values()]
    if not torch.stack([each.to(finite[0].device) for each in finite]).all():
        raise ErktError(
            f"the weights are not finite after epoch {place.epoch + 1}, step {place.step}; "
            "lower recipe.learning_rate"
        )
    state = {name: getattr(place, name) for name in ("epoch", "done", "step", "rate", "rows")}
    return Checkpoint(tensors, state | {"sums": _sums(place)})


def _restore(kept: Checkpoint, model: Classifier, step: Step, average: Average | None) -> _Place:
    by_owner: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "average": {}}
    for name, tensor in kept.tensors.items():
        owner, _, own = name.partition(".")
        by_owner[owner][own] = tensor
    model.load_state_dict(by_owner["model"])
    if average is not None:
        average.load_state_dict(by_owner["average"])
    for name, tensor in by_owner["optimizer"].items():
        number, moment = name.split(".")
        parameter = step.parameters[int(number)]
        # In the parameter's memory format, as the optimizer makes its moments; the step count is a scalar,
        # which fused AdamW reads on the parameter's device.
        fitting = torch.empty_like(parameter, requires_grad=False).copy_(tensor) if tensor.dim() else tensor
        step.optimizer.state[parameter][moment] = fitting.to(parameter.device)
    state: dict[str, Any] = dict(kept.state)
    sums: dict[str, float] = state.pop("sums")
    values = torch.tensor(list(sums.values()), dtype=torch.double, device=step.parameters[0].device)
    return _Place(**state, names=tuple(sums), sums=values if sums else None)


def _shown(batch: Batch, teacher: Tensor | None, side: int) -> Shown:
    images = shrunk(batch.images, side).contiguous(memory_format=torch.channels_last)
    return Shown(images, teacher, batch.label_a, batch.label_b, batch.alpha)
