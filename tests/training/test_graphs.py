"""Recorded steps, with a recorder that calls again what a GPU would replay: the bits of usual steps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made import LOSS, RECIPE, RUNTIME, Interrupting, batches, classifier, keeper
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from training.test_device_path import LOSSES, Poisoned, teachers

from benchmarks.meta_device import META, standing_in
from erkt.errors import ErktError
from erkt.inflight.checkpoints import NO_CHECKPOINTS, Checkpoints
from erkt.inflight.stopping import Stopped
from erkt.losses.objective import Objective
from erkt.params.resizing import Resizing
from erkt.params.runtime import Runtime
from erkt.params.schema import as_dict, build
from erkt.training import engine
from erkt.training.engine import fit
from erkt.training.graphs import BEFORE, own_recorder

CPU = torch.device("cpu")
EPOCHS = 6  # of three batches of 8 and one of 7


class Numbers(TorchDispatchMode):
    """Keeps the numbers that operators are given, which a CUDA graph would keep from its recording."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [each for each in tree_leaves((args, kwargs or {})) if isinstance(each, (int, float))]
        self.given.append(f"{func} {given}")
        return func(*args, **(kwargs or {}))


class Again:
    """Replays by calling again, and returns each time the tensor that it returned first.

    A replay whose operators are given other numbers than the first is refused unless ``free``: a CUDA graph
    cannot do it.
    """

    def __init__(self, *, free: bool = False) -> None:
        self.usual, self.replays, self.free = 0, [], free

    def beside(self, call: Callable[[], Any]) -> Any:
        self.usual += 1
        return call()

    def record(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        number, returned, first = len(self.replays), [], []
        self.replays.append(0)

        def replay() -> Tensor:
            self.replays[number] += 1
            with Numbers() as numbers:
                made = call()
            first[:] = first or numbers.given
            assert self.free or numbers.given == first
            returned[:] = returned or [torch.empty_like(made)]
            return returned[0].copy_(made)

        return replay


@pytest.fixture(autouse=True)
def rates_of_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorded step has its rate in float32; so all have here."""
    monkeypatch.setattr(
        engine, "learning_rate", lambda *place, known=engine.learning_rate: float(np.float32(known(*place)))
    )


def trained(
    again: Again | None, objective: Objective, checkpoints: Checkpoints = NO_CHECKPOINTS, **options: Any
) -> tuple[list[dict[str, float]], Tensor]:
    recipe = replace(
        RECIPE, epochs=EPOCHS, warmup_epochs=1, weight_decay=0.1, clip_norm=options.pop("clip", None)
    )
    data = options.pop("data", batches())
    model, teach = classifier(), teachers() if objective.needs_teacher else None
    epochs = fit(
        model,
        data,
        objective,
        recipe=recipe,
        seed=3,
        teach=teach,
        graphs=again or False,
        checkpoints=checkpoints,
        **options,
    )
    return list(epochs), torch.cat([each.double().flatten() for each in model.state_dict().values()])


OPTIONS: dict[str, dict[str, Any]] = {
    "alone": {},
    "small first": {"resizing": Resizing(first_side=8, full_after=0.75)},
    "averaged": {"averaging": 0.9},
    "clipped": {"clip": 0.1},
}


@pytest.mark.parametrize(
    ("loss", "option"), [*((loss, "alone") for loss in LOSSES), *(("dist", option) for option in OPTIONS)]
)
def test_recorded_steps_are_the_usual_ones(loss: str, option: str) -> None:
    rows, weights = trained(None, Objective(LOSSES[loss]), **OPTIONS[option])
    recorded_rows, recorded = trained(again := Again(), Objective(LOSSES[loss]), **OPTIONS[option])
    assert torch.equal(recorded, weights)
    assert recorded_rows == rows
    assert sum(again.replays) == EPOCHS * 4 - again.usual
    assert (sum(again.replays) > 0) == (loss != "dkd")  # whose warm-up is longer than this


def test_a_shape_is_recorded_once_it_has_come_some_times() -> None:
    trained(again := Again(), Objective(LOSS))
    assert again.usual == 2 * BEFORE
    assert again.replays == [3 * EPOCHS - BEFORE, EPOCHS - BEFORE]


def test_nothing_is_recorded_while_the_loss_changes_with_the_epoch() -> None:
    warming = replace(LOSS, loss="dkd", dkd=replace(LOSS.dkd, warmup_epochs=2))
    _, weights = trained(None, Objective(warming))
    assert torch.equal(trained(again := Again(), Objective(warming))[1], weights)
    assert again.usual == 2 * 4 + 2 * BEFORE


@pytest.mark.parametrize("steps", [2, 5, 13])
def test_an_interrupted_training_goes_on_and_ends_with_the_same_bits(steps: int, tmp_path: Path) -> None:
    rows, weights = trained(Again(), Objective(LOSS))
    with pytest.raises(Stopped):
        trained(Again(), Objective(LOSS), Interrupting(tmp_path, steps))
    later_rows, later = trained(Again(), Objective(LOSS), keeper(tmp_path, seconds=1e9))
    assert torch.equal(later, weights)
    assert later_rows == rows


def test_the_first_bad_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses that wait to be looked at are not those of later steps."""
    monkeypatch.setattr("erkt.training.finite.on_host", lambda device: False)
    with pytest.raises(ErktError, match="nan at epoch 3, step 11"):
        trained(Again(free=True), Poisoned(11))  # which counts its steps


def test_no_recorded_step_waits_for_the_device() -> None:
    reads: list[int] = []
    with torch.library._scoped_library("aten", "IMPL") as shapes, standing_in() as calls:
        # torch has shapes of AdamW for a rate that is a number, and not for one on the device.
        shapes.impl("_fused_adamw_.tensor_lr", lambda *_, **__: None, "Meta")

        def count(done: int, total: int) -> None:
            reads.append(len(calls.reads))
            calls.reads.clear()

        trained(again := Again(), Objective(LOSS), data=replace(batches(), device=META), on_step=count)
    assert sum(again.replays) == EPOCHS * 4 - 2 * BEFORE
    assert not any(found for step, found in enumerate(reads) if step % 4)


def test_a_cpu_records_nothing_and_recomputing_goes_without() -> None:
    assert own_recorder(CPU) is None
    asked = as_dict(RUNTIME) | {"graphs": True}
    assert build(Runtime, asked, "runtime").graphs
    with pytest.raises(ErktError, match="recompute and graphs do not go together"):
        build(Runtime, asked | {"recompute": True}, "runtime")
