"""Checkpoints as files, and that training and caching go on from them with the same bits."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made import CLASSES, LOSS, RECIPE, batches, classifier, subset
from torch import Tensor

from erkt.errors import ErktError
from erkt.inflight.checkpoints import FILE, Checkpoint, Checkpoints, FolderCheckpoints
from erkt.inflight.stopping import Stop, Stopped
from erkt.losses.objective import Objective
from erkt.losses.supervised import Supervised
from erkt.networks.inference import validation
from erkt.teachers.writer import block_logits
from erkt.training.engine import fit

STEPS = 4  # of one epoch of 31 images in batches of 8


def fail(message: str) -> None:
    pytest.fail(f"a warning came where none was due: {message}")


def keeper(
    folder: Path, stop: Stop | None = None, seconds: float = 0.0, **options: object
) -> FolderCheckpoints:
    return FolderCheckpoints(folder, seconds, stop or Stop(), options.pop("warn", fail), **options)


class Interrupting(FolderCheckpoints):
    """Asks to leave after so many steps."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.stop, self.left = Stop(), steps
        super().__init__(folder, 1e9, self.stop, fail)

    def after_step(self, make: Callable[[], Checkpoint]) -> None:
        self.left -= 1
        self.stop.requested = self.left == 0
        super().after_step(make)


def train(checkpoints: Checkpoints, **options: object) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """Two epochs with dropout, batch norm, CutMix, a validation part and a loss of several parts."""
    model, data = classifier(), batches()
    objective, teach = options.get("objective", Supervised()), options.get("teach")
    check = validation(model, subset(9, seed=5), 4, torch.device("cpu"))
    rows = list(
        fit(
            model,
            data,
            objective,
            recipe=replace(RECIPE, weight_decay=0.1),
            seed=3,
            teach=teach,
            validate=check,
            checkpoints=checkpoints,
        )
    )
    return rows, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(one: tuple, other: tuple) -> None:
    assert one[0] == other[0]
    assert one[1].keys() == other[1].keys()
    assert all(torch.equal(one[1][name], other[1][name]) for name in one[1])


@pytest.mark.parametrize("steps", range(1, 2 * STEPS))
def test_training_interrupted_anywhere_ends_with_the_same_bits(tmp_path: Path, steps: int) -> None:
    with pytest.raises(Stopped):
        train(Interrupting(tmp_path, steps))
    assert_same(train(keeper(tmp_path)), train(Checkpoints()))


def test_distillation_interrupted_twice_ends_with_the_same_bits(tmp_path: Path) -> None:
    table = torch.randn(31, len(CLASSES), generator=torch.Generator().manual_seed(0))
    options = {"objective": Objective(LOSS), "teach": lambda batch: table[torch.from_numpy(batch.positions)]}
    for steps in (3, 2):
        with pytest.raises(Stopped):
            train(Interrupting(tmp_path, steps), **options)
    last = keeper(tmp_path)
    assert_same(train(last, **options), train(Checkpoints(), **options))
    assert last.attempts == 3


def test_training_goes_on_instead_of_beginning_again(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(Interrupting(tmp_path, STEPS + 1))
    heard: list[int] = []
    model = classifier()
    for _ in fit(
        model,
        batches(),
        Supervised(),
        recipe=RECIPE,
        seed=3,
        on_step=lambda done, _: heard.append(done),
        checkpoints=keeper(tmp_path),
    ):
        pass
    assert heard == list(range(STEPS + 2, 2 * STEPS + 1))


def test_moments_come_back_in_the_memory_format_of_their_weights(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(Interrupting(tmp_path, 2))
    seen: list[bool] = []

    class Looking(FolderCheckpoints):
        def after_step(self, make: Callable[[], Checkpoint]) -> None:
            seen.extend(
                tensor.is_contiguous(memory_format=torch.channels_last)
                for name, tensor in make().tensors.items()
                if name.startswith("optimizer.0.exp")
            )

    train(Looking(tmp_path, 0, Stop(), fail))
    assert seen
    assert all(seen)


@pytest.mark.parametrize("batches_done", range(1, 8))
def test_caching_interrupted_anywhere_gives_the_same_logits(tmp_path: Path, batches_done: int) -> None:
    whole = block_logits(classifier(1), batches(), [2, 3])
    with pytest.raises(Stopped):
        block_logits(classifier(1), batches(), [2, 3], checkpoints=Interrupting(tmp_path, batches_done))
    calls: list[int] = []
    teacher = classifier(1)
    teacher.register_forward_hook(lambda *_: calls.append(1))
    again = block_logits(teacher, batches(), [2, 3], checkpoints=keeper(tmp_path))
    assert np.array_equal(again.view(np.uint16), whole.view(np.uint16))
    assert len(calls) == 8 - batches_done


@pytest.mark.parametrize("size", [2, 6, 16, 32])
@pytest.mark.parametrize("batches_done", range(1, 9))
def test_caching_that_goes_on_in_other_batches_leaves_no_row_out(
    tmp_path: Path, batches_done: int, size: int
) -> None:
    whole = block_logits(classifier(1), batches(), [2, 3])
    with pytest.raises(Stopped):
        block_logits(classifier(1), batches(), [2, 3], checkpoints=Interrupting(tmp_path, batches_done))
    again = block_logits(classifier(1), batches(batch_size=size), [2, 3], checkpoints=keeper(tmp_path))
    np.testing.assert_allclose(again.astype(np.float32), whole.astype(np.float32), rtol=2e-3, atol=1e-4)


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
    kept = keeper(tmp_path).restore()
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
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        warnings: list[str] = []
        kept = keeper(tmp_path, warn=warnings.append).restore()
        if kept is not None:  # a flip that changes nothing: in the file's padding
            assert (kept.tensors["w"].tolist(), kept.state) == ([0, 1, 2, 3], {"step": 1})
        else:
            assert len(warnings) == 1
            assert str(path) in warnings[0]
            assert "\n" not in warnings[0]
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        warnings = []
        assert keeper(tmp_path, warn=warnings.append).restore() is None
        assert len(warnings) == 1


def test_a_damaged_checkpoint_means_the_beginning_and_the_same_end(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(Interrupting(tmp_path, 5))
    content = bytearray((tmp_path / FILE).read_bytes())
    content[-9] ^= 1
    (tmp_path / FILE).write_bytes(content)
    warnings: list[str] = []
    assert_same(train(keeper(tmp_path, warn=warnings.append)), train(Checkpoints()))
    assert len(warnings) == 1


def test_another_number_of_threads_goes_on_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper(tmp_path).after_step(lambda: Checkpoint({}, {"step": 1}))
    monkeypatch.setattr("torch.get_num_threads", lambda: 99)
    warnings: list[str] = []
    kept = keeper(tmp_path, warn=warnings.append).restore()
    assert kept is not None
    assert kept.state == {"step": 1}
    assert len(warnings) == 1
    assert "99 threads" in warnings[0]


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
    now = [100.0]
    keeper_one = keeper(tmp_path, clock=lambda: now[0])
    now[0] += 30
    keeper_one.after_step(lambda: Checkpoint({}, {}))
    now[0] = 500.0
    keeper_two = keeper(tmp_path, clock=lambda: now[0])
    keeper_two.restore()
    assert (keeper_two.attempts, keeper_two.spent) == (2, 30)
    now[0] += 5
    keeper_two.after_step(lambda: Checkpoint({}, {}))
    keeper_three = keeper(tmp_path, clock=lambda: now[0])
    keeper_three.restore()
    assert (keeper_three.attempts, keeper_three.spent) == (3, 35)


def test_a_loss_that_is_not_finite_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    class Exploding(Supervised):
        calls = 0

        def __call__(self, *arguments: object) -> dict[str, Tensor]:
            self.calls += 1
            parts = super().__call__(*arguments)
            return {name: part * (float("nan") if self.calls == 7 else 1.0) for name, part in parts.items()}

    with pytest.raises(ErktError, match=r"loss is nan at epoch 2, step 7"):
        train(keeper(tmp_path), objective=Exploding())
    kept = keeper(tmp_path).restore()
    assert kept is not None
    assert kept.state["step"] == 6
    assert all(tensor.isfinite().all() for tensor in kept.tensors.values())


def test_weights_that_are_not_finite_are_never_kept(tmp_path: Path) -> None:
    class Overflowing(Supervised):
        """A finite loss with an infinite gradient, at step 3."""

        calls = 0

        def __call__(self, logits: Tensor, *arguments: object) -> dict[str, Tensor]:
            self.calls += 1
            parts = super().__call__(logits, *arguments)
            if self.calls == 3:
                parts["loss"] = parts["loss"] + (logits * 0).abs().sum().sqrt()
            return parts

    with pytest.raises(ErktError, match="weights are not finite after epoch 1, step 3"):
        train(keeper(tmp_path), objective=Overflowing())
    kept = keeper(tmp_path).restore()
    assert kept is not None
    assert kept.state["step"] == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux' /dev/full")
def test_no_space_for_a_checkpoint_is_one_line_and_keeps_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stopped):
        train(Interrupting(tmp_path, 3))
    before = (tmp_path / FILE).read_bytes()

    def full(tensors: object, path: Path, metadata: object) -> None:
        with open("/dev/full", "wb", buffering=0) as device:
            device.write(b"x")

    monkeypatch.setattr("erkt.inflight.checkpoints.save_file", full)
    with pytest.raises(ErktError, match=r"not written: .*No space left") as error:
        train(keeper(tmp_path))
    assert "\n" not in str(error.value)
    assert (tmp_path / FILE).read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
