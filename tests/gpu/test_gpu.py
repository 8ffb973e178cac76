"""What only a GPU can show. Where torch sees none these tests are skipped, counted and named."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from closure import ROOT
from made import LOSS, RECIPE, Interrupting, batches, classifier, keeper, subset
from torch import Tensor
from views_settings import COINS, EVERYTHING, TABLE_1, sample_images, with_p

from benchmarks import paper
from erkt.inflight.checkpoints import NO_CHECKPOINTS, Checkpoints
from erkt.inflight.stopping import Stopped
from erkt.losses.objective import Objective
from erkt.losses.supervised import Supervised
from erkt.machine.device import choose
from erkt.networks.inference import validation
from erkt.params.resizing import Resizing
from erkt.params.runtime import Runtime
from erkt.params.schema import build
from erkt.params.views import ViewSettings
from erkt.teachers.online import OnlineTeachers
from erkt.teachers.reader import CachedTeachers
from erkt.teachers.writer import batch_logits, block_logits
from erkt.training.engine import fit
from erkt.views.batches import ViewBatches
from erkt.views.view import View

FLAT = 1e-4
"""Pixels from the middle between two, within which a device's rounding may look up the other one."""


@pytest.fixture(scope="module")
def device() -> torch.device:
    """The GPU as a stage sets it up."""
    return choose(build(Runtime, paper.PARAMS["runtime"] | {"device": "cuda"}, "runtime"))


def on(device: torch.device, **options: int) -> ViewBatches:
    return replace(batches(**options), device=device)


def trained(
    device: torch.device,
    teach: Callable[..., Tensor] | None = None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    *,
    graphs: bool = False,
) -> tuple[list[dict[str, float]], Tensor]:
    """Distill a tiny network with dropout and batch norm; return the epochs' rows and its state, flat."""
    model, recipe = classifier(9), replace(RECIPE, epochs=6) if graphs else RECIPE
    objective = Supervised() if teach is None else Objective(LOSS)
    rows = fit(
        model,
        on(device, views=2),
        objective,
        recipe=recipe,
        seed=5,
        teach=teach,
        validate=validation(model, subset(9, seed=5), 4, device),
        checkpoints=checkpoints,
        graphs=graphs,
    )
    rows = list(rows)
    return rows, torch.cat([tensor.double().flatten().cpu() for tensor in model.state_dict().values()])


@pytest.mark.gpu
@pytest.mark.parametrize("steps", range(1, 8))
def test_training_interrupted_anywhere_goes_on_and_ends_with_the_same_bits(
    device: torch.device, tmp_path: Path, steps: int
) -> None:
    with pytest.raises(Stopped):
        trained(device, checkpoints=Interrupting(tmp_path, steps))
    rows, state = trained(device, checkpoints=keeper(tmp_path, seconds=1e9))
    expected_rows, expected = trained(device)
    assert rows == expected_rows
    assert torch.equal(state, expected)


@pytest.mark.gpu
@pytest.mark.parametrize("steps", [2, 5, 13, 20])
def test_training_by_graphs_interrupted_anywhere_goes_on_and_ends_with_the_same_bits(
    device: torch.device, tmp_path: Path, steps: int
) -> None:
    with pytest.raises(Stopped):
        trained(device, checkpoints=Interrupting(tmp_path, steps), graphs=True)
    rows, state = trained(device, checkpoints=keeper(tmp_path, seconds=1e9), graphs=True)
    expected_rows, expected = trained(device, graphs=True)
    assert rows == expected_rows
    assert torch.equal(state, expected)


@pytest.mark.gpu
@pytest.mark.parametrize("loss", ["dist", "kd", "dkd", "multi_level"])
def test_training_by_graphs_is_training_without(device: torch.device, loss: str) -> None:
    """Dropout too; but a graph has the learning rate in float32. Small images first: shapes change."""
    logits = np.random.default_rng(0).normal(size=(31, 3)).astype(np.float16)
    teach, recipe = CachedTeachers([{0: logits}], [1.0], "logits"), replace(RECIPE, epochs=6)
    objective = Objective(replace(LOSS, loss=loss, dkd=replace(LOSS.dkd, warmup_epochs=2)))
    states = []
    for graphs in (False, True):
        model, data = classifier(), on(device, views=1)
        how = {"graphs": graphs, "resizing": Resizing(first_side=8, full_after=0.5)}
        list(fit(model, data, objective, recipe=recipe, seed=3, teach=teach, **how))
        states.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    torch.testing.assert_close(*states, rtol=0, atol=1e-4)


@pytest.mark.gpu
def test_a_checkpoint_of_the_cpu_goes_on_with_a_warning(device: torch.device, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        trained(torch.device("cpu"), checkpoints=Interrupting(tmp_path, 3))
    warnings: list[str] = []
    _, state = trained(device, checkpoints=keeper(tmp_path, seconds=1e9, warn=warnings.append))
    assert state.isfinite().all()
    assert len(warnings) == 1
    assert f"cuda ({torch.cuda.get_device_name()})" in warnings[0]


@pytest.mark.gpu
def test_training_ends_near_the_cpus(device: torch.device) -> None:
    """Eight steps of a network without dropout, whose masks are other draws on another device."""

    def state(where: torch.device) -> Tensor:
        model = classifier(9)
        model.network.drop.p = 0.0
        list(fit(model, on(where, views=2), Supervised(), recipe=RECIPE, seed=5))
        return torch.cat([parameter.detach().flatten().cpu() for parameter in model.parameters()])

    torch.testing.assert_close(state(device), state(torch.device("cpu")), rtol=0, atol=2e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("images", ["device", "host"])
def test_no_step_waits_for_the_gpu(device: torch.device, images: str) -> None:
    """CUDA itself refuses what waits, from an epoch's second step to its last."""

    def refuse(done: int, total: int) -> None:
        torch.cuda.set_sync_debug_mode("default" if done == total else "error")

    data = replace(on(device, views=1), images=images)
    logits = np.random.default_rng(0).normal(size=(31, 3)).astype(np.float16)
    teach, recipe = CachedTeachers([{0: logits}], [1.0], "logits"), replace(RECIPE, epochs=1)
    try:
        list(fit(classifier(), data, Objective(LOSS), recipe=recipe, seed=3, teach=teach, on_step=refuse))
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
def test_training_is_the_same_wherever_the_images_lie(device: torch.device) -> None:
    states = []
    for images in ("device", "host"):
        model, data = classifier(), replace(on(device, views=2), images=images)
        list(fit(model, data, Supervised(), recipe=RECIPE, seed=3))
        states.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert torch.equal(*states)


def to_a_tie(angle: float, side: int) -> Tensor:
    """Return how far, in pixels, each place (S, S) looks from the middle between two pixels, in doubles."""
    turn, base = math.radians(angle), torch.arange(side, dtype=torch.double) - (side - 1) / 2
    x, y = base[None, :], base[:, None]
    looked = [x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)]
    place = torch.stack(looked) + (side - 1) / 2
    return ((place - place.floor()) - 0.5).abs().amin(0)


def rendered(
    device: torch.device, settings: ViewSettings, side: int, count: int
) -> tuple[View, Tensor, Tensor]:
    """Return a view and its images by the CPU and by ``device``, both on the CPU."""
    view, images = View.make(0, side, np.arange(count) % 7, side, settings), sample_images(count, side)
    here = view.render(images, np.arange(count))
    there = view.render(images.to(device), np.arange(count))
    for ours, theirs in zip(here[1:], there[1:], strict=True):
        assert torch.equal(ours, theirs.cpu())
    return view, here.images, there.images.cpu()


SIDES = {64: 80, 128: 40, 256: 30, 75: 40}  # pixels: images


@pytest.mark.gpu
@pytest.mark.parametrize(("side", "count"), SIDES.items())
def test_views_are_the_cpus_off_ties_of_the_rotation(device: torch.device, side: int, count: int) -> None:
    """Every pixel but those that lie on a tie, and these are few: operations that move or spread none."""
    settings = with_p(COINS, autocontrast=0.0, resized_crop=0.0, cutmix=0.0)
    view, here, there = rendered(device, settings, side, count)
    differ = ((here - there).abs() > 1e-5).any(1)
    for place in range(count):
        angle = view.draws.rotation_angle[place] if view.draws.rotation[place] else 0.0
        tie = to_a_tie(angle, side) < FLAT
        flips = view.draws.horizontal_flip[place], view.draws.vertical_flip[place]
        tie = tie.flip([axis for axis, flip in zip((1, 0), flips, strict=True) if flip])
        assert not (differ[place] & ~tie).any()
    assert differ.float().mean() < 1e-3


@pytest.mark.gpu
@pytest.mark.parametrize("settings", [TABLE_1, EVERYTHING, COINS], ids=["vsm", "everything", "coins"])
@pytest.mark.parametrize(("side", "count"), SIDES.items())
def test_whole_views_differ_from_the_cpus_in_a_thousandth_of_their_pixels_at_most(
    device: torch.device, settings: ViewSettings, side: int, count: int
) -> None:
    _, here, there = rendered(device, settings, side, count)
    assert ((here - there).abs() > 1e-4).any(1).float().mean() < 1e-3


@pytest.mark.gpu
def test_logits_cached_on_the_device_teach_as_the_teachers_beside_the_student_do(
    device: torch.device,
) -> None:
    """In the student's own batches, so that a network rounds alike; both pass through float16."""
    data, members, networks = on(device, views=2), [], []
    for seed in (1, 2):
        teacher, views = classifier(seed).to(device, memory_format=torch.channels_last).eval(), {}
        for number in (0, 1):
            views[number] = np.zeros((31, 3), np.float16)
            for positions in data.epoch(number, 4)[1]:
                views[number][positions] = batch_logits(teacher, data, data.view(number), positions)
        members.append(views)
        networks.append(teacher)
    cached = CachedTeachers(members, [0.25, 0.75], "logits")
    online = OnlineTeachers(networks, [0.25, 0.75], "logits")
    torch.testing.assert_close(trained(device, cached)[1], trained(device, online)[1], rtol=0, atol=2e-3)


@pytest.mark.gpu
def test_logits_cached_on_the_device_are_the_cpus_within_float16(device: torch.device) -> None:
    here, there = (
        block_logits(classifier(1), on(where), [2, 3]).astype(np.float32)
        for where in (torch.device("cpu"), device)
    )
    assert np.quantile(np.abs(here - there), 0.99) < 2e-3 * here.std()


@pytest.mark.gpu
def test_a_step_in_bf16_keeps_the_gradients_direction_and_float32_weights(device: torch.device) -> None:
    gradients = []
    for precision in ("fp32", "bf16"):
        model, data = classifier(), on(device, batch_size=32)
        recipe = replace(RECIPE, epochs=1, batch_size=32, precision=precision)
        list(fit(model, data, Supervised(), recipe=recipe, seed=3))
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    assert not torch.equal(*gradients)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.995


@pytest.mark.gpu
@pytest.mark.parametrize("recompute", [False, True])
def test_the_papers_student_trains_in_eight_gigabytes(device: torch.device, recompute: bool) -> None:
    """Two steps of B0 at 256 px in batches of 30, from stored logits of three teachers."""
    data = paper.data(paper.images(2 * paper.BATCH, 256), device)
    block = np.zeros((len(data.subset), len(paper.CLASSES)), np.float16)
    teach = CachedTeachers([{0: block}] * 3, [0.3, 0.3, 0.4], "logits")
    student = paper.network(paper.STUDENT, 256, device)
    torch.cuda.reset_peak_memory_stats(device)
    list(
        fit(student, data, paper.objective(), recipe=paper.recipe(), seed=0, teach=teach, recompute=recompute)
    )
    assert torch.cuda.max_memory_allocated(device) <= 8e9


def test_where_no_gpu_is_these_tests_are_counted_and_named() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "bf16 or gigabytes",
        __file__,
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert "3 tests did not run, since torch sees no GPU here" in done.stdout
    assert "test_gpu.py::test_the_papers_student_trains_in_eight_gigabytes[True]" in done.stdout
