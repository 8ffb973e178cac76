"""Training as on a GPU: the CPU's result, no wait in a step, and no bad checkpoint however few the looks."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made import LOSS, RECIPE, batches, classifier, keeper
from torch import Tensor
from views_settings import TABLE_1, with_p

from benchmarks.meta_device import META, standing_in
from erkt.errors import ErktError
from erkt.losses.objective import Objective
from erkt.params.loss import Loss
from erkt.teachers.reader import CachedTeachers
from erkt.teachers.writer import block_logits
from erkt.training.engine import fit
from erkt.views.batches import ViewBatches

MODULES = ["views.batches", "views.view", "teachers.reader", "teachers.writer", "training.finite"]
LOGITS = np.random.default_rng(0).normal(size=(2, 4, 31, 3)).astype(np.float16)  # teachers, views


@pytest.fixture
def on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU passes for a device."""
    for module in MODULES:
        monkeypatch.setattr(f"erkt.{module}.on_host", lambda device: False)


def teachers() -> CachedTeachers:
    return CachedTeachers([dict(enumerate(views)) for views in LOGITS], [0.25, 0.75], "logits")


def trained(
    data: ViewBatches, loss: Loss = LOSS, epochs: int = 4, **options: Any
) -> tuple[list[dict[str, float]], Tensor]:
    """Distill for some epochs, a view each; return the rows and all of the network's numbers."""
    model = classifier()
    recipe, objective = replace(RECIPE, epochs=epochs), options.pop("objective", Objective(loss))
    teach = teachers() if objective.needs_teacher else None
    rows = list(fit(model, data, objective, recipe=recipe, seed=3, teach=teach, **options))
    return rows, torch.cat([tensor.double().flatten() for tensor in model.state_dict().values()])


@pytest.mark.parametrize("images", ["device", "host"])
@pytest.mark.parametrize("crops", [0.0, 1.0])
def test_training_is_the_cpus(images: str, crops: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit without crops, which round otherwise."""
    data = replace(batches(), settings=with_p(TABLE_1, resized_crop=crops), images=images)
    rows, weights = trained(data)
    for module in MODULES:
        monkeypatch.setattr(f"erkt.{module}.on_host", lambda device: False)
    rows_there, weights_there = trained(data)
    if crops:
        torch.testing.assert_close(weights_there, weights, rtol=0, atol=1e-3)
    else:
        assert torch.equal(weights_there, weights)
        assert rows_there == rows


@pytest.mark.usefixtures("on_a_device")
def test_logits_that_wait_on_the_device_are_the_same() -> None:
    there = block_logits(
        classifier(1), replace(batches(), settings=with_p(TABLE_1, resized_crop=0.0)), [2, 3]
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in MODULES:
            patch.setattr(f"erkt.{module}.on_host", lambda device: True)
        here = block_logits(
            classifier(1), replace(batches(), settings=with_p(TABLE_1, resized_crop=0.0)), [2, 3]
        )
    assert np.array_equal(here.view(np.uint16), there.view(np.uint16))


LOSSES = {
    "dist": LOSS,
    "kd": replace(LOSS, loss="kd", kd=replace(LOSS.kd, standardised=True)),
    "dkd": replace(LOSS, loss="dkd"),
    "multi_level": replace(LOSS, loss="multi_level"),
    "none": replace(LOSS, loss="none"),
}


@pytest.mark.parametrize(
    ("loss", "images", "averaging"), [*((loss, "device", 0.0) for loss in LOSSES), ("dist", "host", 0.9)]
)
def test_no_step_waits_for_the_device(loss: str, images: str, averaging: float) -> None:
    """In a step the host reads nothing and sends one vector; pixels are sent in a thread, which no mode sees.

    An epoch's first step sends its draws, labels and logits too, and finds what was read at the end before.
    """
    reads, sent = [], []
    with standing_in() as calls, pytest.MonkeyPatch.context() as patch:

        def count(done: int, total: int) -> None:
            reads.append(list(calls.reads))
            sent.append(list(calls.sent))
            calls.reads.clear()
            calls.sent.clear()

        def stream(data: ViewBatches, *arguments: Any) -> Any:
            calls.sent.clear()  # the network's own way there
            return known(data, *arguments)

        known = ViewBatches.stream
        patch.setattr(ViewBatches, "stream", stream)
        data = replace(batches(), device=META, images=images)
        trained(data, LOSSES[loss], epochs=2, on_step=count, averaging=averaging)
    assert calls.strays == []
    assert [len(each) for each in reads] == [0, 0, 0, 0, 2, 0, 0, 0], reads
    assert all(sum(map(len, each)) for each in sent)
    assert not [place for each in sent for place, waits in each if waits]
    assert [len(sent[step]) for step in (1, 2, 3, 5, 6, 7)] == [1] * 6


class Poisoned(Objective):
    """Spoils the loss of step ``at``, counted from 1, and leaves the logits as they are."""

    def __init__(self, at: int) -> None:
        super().__init__(LOSS)
        self.calls, self.at = 0, at

    def __call__(self, student: Tensor, *arguments: Any) -> dict[str, Tensor]:
        self.calls += 1
        parts = super().__call__(student, *arguments)
        return parts | {"loss": parts["loss"] * float("nan")} if self.calls == self.at else parts


@pytest.mark.usefixtures("on_a_device")
@pytest.mark.parametrize(("at", "epoch"), [(1, 1), (4, 1), (5, 2), (7, 2), (16, 4)])
@pytest.mark.parametrize("every", [1, 3, 50])
def test_the_first_bad_step_is_named_however_seldom_losses_are_looked_at(
    at: int, epoch: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erkt.training.finite.LOOK_EVERY", every)
    poisoned, recipe = Poisoned(at), replace(RECIPE, epochs=4)
    rows = fit(classifier(), batches(), poisoned, recipe=recipe, seed=3, teach=teachers())
    yielded = list(islice(rows, epoch - 1))
    with pytest.raises(ErktError, match=rf"the loss is nan at epoch {epoch}, step {at}; lower"):
        next(rows)
    assert all(np.isfinite(row["loss"]) for row in yielded)
    assert poisoned.calls <= at + every - 1


@pytest.mark.usefixtures("on_a_device")
def test_no_bad_checkpoint_is_kept_although_losses_are_seldom_looked_at(tmp_path: Path) -> None:
    now = [0.0]
    kept = keeper(tmp_path, seconds=2.5, clock=lambda: now[0])

    def tick(done: int, total: int) -> None:
        now[0] = float(done)  # checkpoints are due after steps 3, 6 and 9

    with pytest.raises(ErktError, match="the loss is nan at epoch 2, step 7"):
        trained(batches(), objective=Poisoned(7), checkpoints=kept, on_step=tick)
    last = keeper(tmp_path).restore(torch.device("cpu"))
    assert last is not None
    assert last.state["step"] == 6
    assert all(tensor.isfinite().all() for tensor in last.tensors.values())
