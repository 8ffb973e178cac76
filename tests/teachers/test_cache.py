"""Stored logits: those of the teachers on those views, as good as the teachers online, or refused."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made import CLASSES, LOSS, ORIGIN, RECIPE, batches, classifier, no_warning
from views_settings import TABLE_1 as VSM

from erkt.errors import ErktError
from erkt.files.json_file import read_sealed, write_sealed
from erkt.losses.objective import Objective
from erkt.params.schema import as_dict
from erkt.teachers.manifest import probe, probe_difference, probe_tolerance
from erkt.teachers.online import OnlineTeachers
from erkt.teachers.reader import CachedTeachers, open_blocks
from erkt.teachers.verify import TOLERANCES, largest_difference
from erkt.teachers.writer import batch_logits, block_logits, write_block
from erkt.training.engine import fit


@pytest.fixture
def block(tmp_path: Path) -> Path:
    """Views 0 and 1 of a tiny teacher."""
    write_block(tmp_path / "0", classifier(1), batches(), views=[0, 1], origin=ORIGIN)
    return tmp_path / "0"


def refusal(block: Path, **changes: Any) -> str:
    """Return why ``block`` is refused, with the data and origin that made it unless told otherwise."""
    options = {"data": batches(), "origin": ORIGIN, "views": [0, 1]} | changes
    with pytest.raises(ErktError) as caught:
        open_blocks([block], **options, warn=no_warning)
    return str(caught.value)


def change_manifest(block: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = read_sealed(block / "manifest.json")
    change(manifest)
    write_sealed(block / "manifest.json", manifest)


def test_cached_logits_are_the_teachers_within_float16_rounding(block: Path) -> None:
    data, teacher = batches(), classifier(1).eval()
    stored = open_blocks([block], data, ORIGIN, [0, 1], no_warning)
    for number in (0, 1):
        view, order = data.epoch(number, 4)
        for positions in order:
            with torch.inference_mode():
                now = teacher(data.batch(view, positions).images).numpy()
            kept = stored[number][positions].astype(np.float32)
            assert np.all(np.abs(kept - now) <= np.abs(now) * 2.0**-11 + 1e-6)
    assert not np.array_equal(stored[0], stored[1])


def test_teachers_in_bf16_are_stored_and_verified_as_such(tmp_path: Path) -> None:
    """Near float32 and not the same; the same as the teachers beside a student, in the same batches."""
    data, origin = batches(), replace(ORIGIN, precision="bf16")
    write_block(tmp_path / "0", classifier(1), data, views=[0], origin=origin)
    stored = open_blocks([tmp_path / "0"], data, origin, [0], no_warning)
    full = block_logits(classifier(1), data, [0])[0].astype(np.float32)
    difference = np.abs(stored[0].astype(np.float32) - full).max() / full.std()
    assert 0 < difference < TOLERANCES["bf16"]
    online = OnlineTeachers([classifier(1).eval()], [1.0], "logits", "bf16")
    for positions in data.in_order(0):
        beside = online(data.batch(data.view(0), positions))
        assert np.array_equal(beside.numpy(), stored[0][positions].astype(np.float32))
    assert largest_difference(classifier(1).eval(), data, stored, 1, 8, "bf16") < TOLERANCES["bf16"]
    assert largest_difference(classifier(2).eval(), data, stored, 1, 8, "bf16") > TOLERANCES["bf16"]


def test_bf16_is_refused_where_torch_does_not_run_the_teacher() -> None:
    class Other:
        card = classifier(1).card

    with pytest.raises(ErktError, match=r"cache\.precision: bf16 takes torch's networks; set runtime"):
        block_logits(Other(), batches(), [0], precision="bf16")


def student_after(teach: Callable[..., torch.Tensor] | None, ratio: float = 1.0) -> torch.Tensor:
    student, objective = classifier(9), Objective(replace(LOSS, loss_ratio=ratio))
    list(fit(student, batches(views=2), objective, recipe=RECIPE, seed=5, teach=teach))
    return torch.cat([parameter.detach().flatten() for parameter in student.parameters()])


def cached_in_batches_of(size: int | None) -> CachedTeachers:
    """Return two teachers' logits, cached in batches of ``size``, or in exactly the student's batches."""
    data, members = batches(batch_size=size or 8, views=2), []
    for seed in (1, 2):
        teacher, views = classifier(seed).eval(), {}
        for number in (0, 1):
            order = data.epoch(number, 4)[1] if size is None else data.in_order(number)
            views[number] = np.zeros((31, len(CLASSES)), np.float16)
            for positions in order:
                views[number][positions] = batch_logits(teacher, data, data.view(number), positions)
        members.append(views)
    return CachedTeachers(members, [0.25, 0.75], "logits")


def test_cache_and_online_teach_the_same_student_exactly_in_the_same_teacher_batches() -> None:
    """In other batches a network's logits move by rounding; float16 makes of it one unit at most."""
    online = student_after(
        OnlineTeachers([classifier(1).eval(), classifier(2).eval()], [0.25, 0.75], "logits")
    )
    assert torch.equal(student_after(cached_in_batches_of(None)), online)
    assert (student_after(cached_in_batches_of(32)) - online).abs().max() < 2e-3


def test_a_ratio_of_two_never_asks_the_teachers() -> None:
    def nobody(_: object) -> torch.Tensor:
        raise AssertionError("the teachers were asked")

    assert torch.equal(student_after(nobody, 2.0), student_after(None, 2.0))


@pytest.mark.parametrize(
    "change",
    [
        {"teacher": "another"},
        {"images": "another"},
        {"train": "another"},
        {"seed": 1},
        {"classes": ["blue", "red", "green"]},
        {"precision": "bf16"},
        {"finish": {"share": 0.5}},
        {"settings": as_dict(VSM) | {"cutmix": {"p": 0.5}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_logits_of_another_origin_are_refused(block: Path, change: dict[str, Any]) -> None:
    expected = f"made from other {next(iter(change))}; rerun cache_logits"
    assert expected in refusal(block, origin=replace(ORIGIN, **change))


@pytest.mark.parametrize("name", ["origin", "probe"])
def test_a_manifest_that_lacks_something_is_refused(block: Path, name: str) -> None:
    change_manifest(block, lambda manifest: manifest.pop(name))
    assert f"its manifest lacks {name}" in refusal(block)


def test_what_is_missing_is_named(block: Path) -> None:
    assert "view 2 is not stored; rerun cache_logits" in refusal(block, views=[0, 1, 2])
    (block / "logits.npy").unlink()
    assert "logits.npy: missing or damaged" in refusal(block)
    shutil.rmtree(block)
    assert "manifest.json: no such file" in refusal(block)


def test_pixels_that_replay_otherwise_are_refused(block: Path) -> None:
    """The manifest agrees but the images are others, as with an array that was prepared differently."""
    data = batches()
    data.subset.array[:] = 255 - data.subset.array
    assert "replays with other pixels" in refusal(block, data=data)


def test_pixels_that_replay_within_rounding_warn_and_beyond_it_are_refused(block: Path) -> None:
    def moved(by: float) -> Callable[[dict[str, Any]], None]:
        def change(manifest: dict[str, Any]) -> None:
            manifest["probe"]["sha256"] = "another device's"
            manifest["probe"]["cells"][0] += by * probe_tolerance(16)

        return change

    change_manifest(block, moved(0.5))
    warnings: list[str] = []
    open_blocks([block], batches(), ORIGIN, [0, 1], warnings.append)
    assert len(warnings) == 1
    assert "within rounding, not bit for bit" in warnings[0]
    change_manifest(block, moved(1.0))
    assert "replays with other pixels" in refusal(block)


def test_the_probe_knows_view_and_seed_and_lets_a_few_moved_pixels_pass() -> None:
    here = probe(batches(), 0)
    assert probe_difference(here, probe(batches(), 0)) == 0
    for other in (probe(batches(), 1), probe(batches(seed=1), 0)):
        assert probe_difference(here, other) > probe_tolerance(16)
    one_pixel_at_64 = 1 / (64 / 4) ** 2
    assert one_pixel_at_64 < probe_tolerance(64) < 5 * one_pixel_at_64
    assert probe_tolerance(16) == 0.02


def test_a_logit_beyond_float16_is_an_error_not_an_infinity() -> None:
    teacher = classifier(1)
    teacher.network.head.bias.data += 1e6
    with pytest.raises(ErktError, match="does not fit float16"):
        block_logits(teacher, batches(), [0])


def test_verification_accepts_the_teacher_and_catches_another(block: Path) -> None:
    data = batches()
    stored = open_blocks([block], data, ORIGIN, [0, 1], no_warning)
    tolerance = TOLERANCES["fp32"]
    assert largest_difference(classifier(1).eval(), data, stored, 2, 8) < tolerance
    assert largest_difference(classifier(2).eval(), data, stored, 2, 8) > 10 * tolerance
    broken = classifier(1).eval()
    broken.network.head.bias.data += float("nan")
    assert largest_difference(broken, data, stored, 2, 8) > tolerance
