"""Checkpoints as files, and that training and caching go on from them with the same bits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made import CLASSES, LOSS, RECIPE, Interrupting, batches, classifier, keeper, subset
from torch import Tensor

from benchmarks.meta_device import META, standing_in
from erkt.errors import ErktError
from erkt.inflight.checkpoints import FILE, Checkpoint, Checkpoints
from erkt.inflight.stopping import Stop, Stopped
from erkt.losses.objective import Objective
from erkt.networks.inference import validation
from erkt.teachers.writer import block_logits
from erkt.training.engine import fit

CPU = torch.device("cpu")
STEPS = 8  # two epochs of 31 images in batches of 8
TABLE = torch.randn(31, len(CLASSES), generator=torch.Generator().manual_seed(0))


def train(
    checkpoints: Checkpoints, objective: Objective | None = None, device: torch.device = CPU
) -> tuple[list[object], list[Tensor]]:
    """Distill with dropout, batch norm, CutMix and a validation part; return epochs, steps and weights."""
    model = classifier()
    heard: list[object] = []
    epochs = fit(
        model,
        replace(batches(), device=device),
        objective or Objective(LOSS),
        recipe=replace(RECIPE, weight_decay=0.1),
        seed=3,
        teach=lambda batch: TABLE.to(device)[batch.index],
        validate=validation(model, subset(9, seed=5), 4, device),
        on_step=lambda done, total: heard.append((done, total)),
        checkpoints=checkpoints,
    )
    return [*epochs, *heard], [tensor.clone() for tensor in model.state_dict().values()]


@pytest.mark.parametrize("steps", range(1, STEPS))
def test_training_interrupted_anywhere_goes_on_and_ends_with_the_same_bits(
    tmp_path: Path, steps: int
) -> None:
    for interruption in (steps, 1):
        with pytest.raises(Stopped):
            train(Interrupting(tmp_path, interruption))
    last = keeper(tmp_path)
    heard, weights = train(last)
    expected, expected_weights = train(Checkpoints())
    assert last.attempts == 3
    assert heard == expected[:2] + expected[2 + steps + 1 :], "it began again"
    assert all(map(torch.equal, weights, expected_weights))


@pytest.mark.parametrize("size", [8, 2, 16, 32])
def test_caching_interrupted_anywhere_gives_the_same_logits_also_in_other_batches(
    tmp_path: Path, size: int
) -> None:
    whole = block_logits(classifier(1), batches(), [2, 3])
    for done in range(1, 9):
        with pytest.raises(Stopped):
            block_logits(classifier(1), batches(), [2, 3], checkpoints=Interrupting(tmp_path, done))
        calls: list[int] = []
        teacher = classifier(1)
        teacher.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        again = block_logits(teacher, batches(batch_size=size), [2, 3], checkpoints=keeper(tmp_path))
        np.testing.assert_allclose(again.astype(np.float32), whole.astype(np.float32), rtol=2e-3, atol=1e-4)
        if size == 8:
            assert np.array_equal(again.view(np.uint16), whole.view(np.uint16))
            assert len(calls) == 8 - done
        (tmp_path / FILE).unlink()


def test_a_checkpoint_holds_every_type_and_shape_exactly(tmp_path: Path) -> None:
    tensors = {
        "half": torch.tensor([1.5, -0.0], dtype=torch.float16),
        "count": torch.tensor(7),
        "flag": torch.tensor([True, False]),
        "none": torch.zeros(0, 3),
        "strided": torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
    }
    state = {"third": 1 / 3, "tiny": 5e-324, "rows": [{"epoch": 1, "loss": 0.1 + 0.2}]}
    keeper(tmp_path).after_step(lambda: Checkpoint(tensors, state))
    kept = keeper(tmp_path).restore(CPU)
    assert kept is not None
    assert kept.state == state
    assert kept.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert kept.tensors[name].dtype == tensor.dtype
        assert torch.equal(kept.tensors[name], tensor)


def test_every_bit_of_a_checkpoint_counts(tmp_path: Path) -> None:
    keeper(tmp_path).after_step(lambda: Checkpoint({"w": torch.arange(4.0)}, {"step": 1}))
    path = tmp_path / FILE
    whole = path.read_bytes()
    flipped = [whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :] for at in range(len(whole))]
    cut = [whole[:length] for length in range(len(whole))]
    for content in flipped + cut:
        path.write_bytes(content)
        warnings: list[str] = []
        kept = keeper(tmp_path, warn=warnings.append).restore(CPU)
        if kept is not None:  # a flip that changes nothing: in the file's padding
            assert (kept.tensors["w"].tolist(), kept.state) == ([0, 1, 2, 3], {"step": 1})
        else:
            assert len(warnings) == 1
            assert warnings[0].startswith(f"{path} is damaged")
            assert "\n" not in warnings[0]


def test_another_number_of_threads_goes_on_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper(tmp_path).after_step(lambda: Checkpoint({}, {"step": 1}))
    monkeypatch.setattr("torch.get_num_threads", lambda: 99)
    warnings: list[str] = []
    kept = keeper(tmp_path, warn=warnings.append).restore(CPU)
    assert kept is not None
    assert kept.state == {"step": 1}
    assert len(warnings) == 1
    assert "99 threads" in warnings[0]


@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")
def test_training_moves_to_another_device_with_a_warning_and_takes_all_of_its_state_along(
    tmp_path: Path,
) -> None:
    """The fused optimizer refuses state on the CPU for parameters on a GPU."""
    with pytest.raises(Stopped):
        train(Interrupting(tmp_path, 3))
    warnings: list[str] = []
    kept = keeper(tmp_path, seconds=1e9, warn=warnings.append)
    with standing_in() as calls:
        train(kept, device=META)
    assert calls.operators.count("aten._fused_adamw_") == STEPS - 3
    assert calls.strays == []
    assert len(warnings) == 1
    assert ", cpu, 1 threads" in warnings[0]
    assert ", meta, 1 threads" in warnings[0]


def test_cached_logits_move_to_another_device_with_a_warning(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        block_logits(classifier(1), batches(), [2, 3], checkpoints=Interrupting(tmp_path, 3))
    warnings: list[str] = []
    kept = keeper(tmp_path, seconds=1e9, warn=warnings.append)
    with standing_in():
        block_logits(classifier(1), replace(batches(), device=META), [2, 3], checkpoints=kept)
    assert len(warnings) == 1
    assert "was made with" in warnings[0]
    assert ", meta, 1 threads" in warnings[0]


def test_checkpoints_come_at_their_interval_and_when_asked_to_leave(tmp_path: Path) -> None:
    now, stop, made = [0.0], Stop(), []

    def make() -> Checkpoint:
        made.append(now[0])
        return Checkpoint({}, {})

    kept = keeper(tmp_path, stop, seconds=10, clock=lambda: now[0])
    for now[0] in (3, 9, 10, 11, 19, 21):
        kept.after_step(make)
    assert made == [10, 21]
    stop.requested, now[0] = True, 22
    with pytest.raises(Stopped):
        kept.after_step(make)
    assert made == [10, 21, 22]


def test_the_seconds_of_all_attempts_add_up(tmp_path: Path) -> None:
    now = [0.0]
    for start, attempts, spent in [(100, 1, 0), (500, 2, 30), (900, 3, 60)]:
        now[0] = start
        kept = keeper(tmp_path, clock=lambda: now[0])
        kept.restore(CPU)
        assert (kept.attempts, kept.spent) == (attempts, spent)
        now[0] += 30
        kept.after_step(lambda: Checkpoint({}, {}))


@pytest.mark.parametrize(
    ("poison", "message"),
    [
        (lambda loss, logits: loss * float("nan"), "the loss is nan at epoch 2, step 7"),
        (
            lambda loss, logits: loss + (logits * 0).abs().sum().sqrt(),
            "weights are not finite after epoch 2, step 7",
        ),
    ],
    ids=["loss", "gradient"],
)
def test_what_is_not_finite_stops_training_and_leaves_the_last_good_checkpoint(
    tmp_path: Path, poison: object, message: str
) -> None:
    class Poisoned(Objective):
        calls = 0

        def __call__(self, student: Tensor, *arguments: object) -> dict[str, Tensor]:
            self.calls += 1
            parts = super().__call__(student, *arguments)
            return parts | {"loss": poison(parts["loss"], student)} if self.calls == 7 else parts

    with pytest.raises(ErktError, match=message):
        train(keeper(tmp_path), Poisoned(LOSS))
    kept = keeper(tmp_path).restore(CPU)
    assert kept is not None
    assert kept.state["step"] == 6
    assert all(tensor.isfinite().all() for tensor in kept.tensors.values())
