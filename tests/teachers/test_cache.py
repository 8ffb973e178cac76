import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made import CLASSES, LOSS, ORIGIN, RECIPE, batches, classifier
from views_settings import TABLE_1 as VSM

from erkt.errors import ErktError
from erkt.files.json_file import read_sealed, write_sealed
from erkt.losses.objective import Objective
from erkt.params.schema import as_dict
from erkt.teachers.manifest import probe, probe_difference, probe_tolerance
from erkt.teachers.online import OnlineTeachers
from erkt.teachers.reader import CachedTeachers, open_blocks
from erkt.teachers.verify import TOLERANCE, largest_difference
from erkt.teachers.writer import batch_logits, block_logits, write_block
from erkt.training.engine import fit


@pytest.fixture
def block(tmp_path: Path) -> Path:
    """Views 0 and 1 of a tiny teacher."""
    write_block(tmp_path / "0", classifier(1), batches(), views=[0, 1], origin=ORIGIN)
    return tmp_path / "0"


def refuse(_: str) -> None:
    pytest.fail("a warning came where none was due")


def test_cached_logits_are_the_teachers_within_float16_rounding(block: Path) -> None:
    data, teacher = batches(), classifier(1).eval()
    stored = open_blocks([block], data, ORIGIN, [0, 1], refuse)
    for number in (0, 1):
        view, order = data.epoch(number)
        for positions in order:
            with torch.inference_mode():
                now = teacher(data.batch(view, positions).images).numpy()
            kept = stored[number][positions].astype(np.float32)
            assert np.all(np.abs(kept - now) <= np.abs(now) * 2.0**-11 + 1e-6)
    assert not np.array_equal(stored[0], stored[1])


def student_after(teach: Callable[..., torch.Tensor] | None, ratio: float = 1.0) -> torch.Tensor:
    student, recipe = classifier(9), replace(RECIPE, epochs=2, batch_size=8)
    data = batches(views=2)
    for _ in fit(
        student, data, Objective(replace(LOSS, loss_ratio=ratio)), recipe=recipe, seed=5, teach=teach
    ):
        pass
    return torch.cat([parameter.detach().flatten() for parameter in student.parameters()])


def cached_in_batches_of(size: int | None) -> CachedTeachers:
    """Return two teachers' logits, cached in batches of ``size``, or in exactly the student's batches."""
    data, members = batches(batch_size=size or 8, views=2), []
    for seed in (1, 2):
        teacher, views = classifier(seed).eval(), {}
        for number in (0, 1):
            order = data.epoch(number)[1] if size is None else data.in_order(number)
            views[number] = np.zeros((31, len(CLASSES)), np.float16)
            for positions in order:
                views[number][positions] = batch_logits(teacher, data, data.view(number), positions)
        members.append(views)
    return CachedTeachers(members, [0.25, 0.75], "logits")


def online() -> OnlineTeachers:
    return OnlineTeachers([classifier(seed).eval() for seed in (1, 2)], [0.25, 0.75], "logits")


def test_cache_and_online_teach_the_same_student_exactly_in_the_same_teacher_batches() -> None:
    assert torch.equal(student_after(cached_in_batches_of(None)), student_after(online()))


def test_cache_and_online_stay_together_when_the_teachers_batches_differ() -> None:
    """Eight steps; a network's logits move by rounding with its batch, float16 makes of it one unit at most."""
    difference = (student_after(cached_in_batches_of(32)) - student_after(online())).abs().max()
    assert difference < 2e-3


def test_a_ratio_of_two_never_asks_the_teachers() -> None:
    def nobody(_: object) -> torch.Tensor:
        raise AssertionError("the teachers were asked")

    assert torch.equal(student_after(nobody, 2.0), student_after(None, 2.0))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"teacher": "another"}, "teacher"),
        ({"images": "another"}, "images"),
        ({"train": "another"}, "train"),
        ({"seed": 1}, "seed"),
        ({"classes": ["blue", "red", "green"]}, "classes"),
        ({"settings": as_dict(VSM) | {"cutmix": {"p": 0.5}}}, "settings"),
    ],
)
def test_logits_of_another_origin_are_refused(block: Path, change: dict[str, Any], named: str) -> None:
    with pytest.raises(ErktError, match=f"made from other {named}; rerun cache_logits"):
        open_blocks([block], batches(), replace(ORIGIN, **change), [0, 1], refuse)


def flip_a_bit(block: Path) -> None:
    data = bytearray((block / "logits.npy").read_bytes())
    data[-5] ^= 1
    (block / "logits.npy").write_bytes(data)


def cut(block: Path) -> None:
    data = (block / "logits.npy").read_bytes()
    (block / "logits.npy").write_bytes(data[:-8])


def lose_the_array(block: Path) -> None:
    (block / "logits.npy").unlink()


@pytest.mark.parametrize("damage", [flip_a_bit, cut, lose_the_array])
def test_damaged_logits_are_refused(block: Path, damage: Callable[[Path], None]) -> None:
    damage(block)
    with pytest.raises(ErktError, match="missing or damaged"):
        open_blocks([block], batches(), ORIGIN, [0, 1], refuse)


def test_a_manifest_that_lacks_something_is_refused(block: Path) -> None:
    manifest = read_sealed(block / "manifest.json")
    for name in ("origin", "probe"):
        write_sealed(block / "manifest.json", {key: fact for key, fact in manifest.items() if key != name})
        with pytest.raises(ErktError, match=f"its manifest lacks {name}"):
            open_blocks([block], batches(), ORIGIN, [0, 1], refuse)


def test_a_missing_block_or_view_is_named(block: Path) -> None:
    with pytest.raises(ErktError, match="view 2 is not stored; rerun cache_logits"):
        open_blocks([block], batches(), ORIGIN, [0, 1, 2], refuse)
    shutil.rmtree(block)
    with pytest.raises(ErktError, match=r"manifest\.json"):
        open_blocks([block], batches(), ORIGIN, [0, 1], refuse)


def test_pixels_that_replay_otherwise_are_refused(block: Path) -> None:
    """The manifest agrees but the images are others, as with an array that was prepared differently."""
    data = batches()
    data.subset.array[:] = 255 - data.subset.array
    with pytest.raises(ErktError, match="replays with other pixels"):
        open_blocks([block], data, ORIGIN, [0, 1], refuse)


def test_pixels_that_replay_within_rounding_warn(block: Path) -> None:
    manifest = read_sealed(block / "manifest.json")
    manifest["probe"]["sha256"] = "another device's"
    manifest["probe"]["cells"][0] += probe_tolerance(16) / 2
    write_sealed(block / "manifest.json", manifest)
    warnings: list[str] = []
    open_blocks([block], batches(), ORIGIN, [0, 1], warnings.append)
    assert len(warnings) == 1
    assert "within rounding, not bit for bit" in warnings[0]


def test_the_probe_knows_view_and_seed() -> None:
    here = probe(batches(), 0)
    assert probe_difference(here, probe(batches(), 0)) == 0
    assert probe_difference(here, probe(batches(), 1)) > probe_tolerance(16)
    assert probe_difference(here, probe(batches(seed=1), 0)) > probe_tolerance(16)


def test_the_tolerance_lets_a_few_moved_pixels_pass_and_is_never_wide() -> None:
    one_pixel_at_64 = 1 / (64 / 4) ** 2
    assert one_pixel_at_64 < probe_tolerance(64) < 5 * one_pixel_at_64
    assert probe_tolerance(256) == probe_tolerance(64) / 16
    assert probe_tolerance(16) == probe_tolerance(32) == 0.02


def test_a_logit_beyond_float16_is_an_error_not_an_infinity() -> None:
    teacher = classifier(1)
    teacher.network.head.bias.data += 1e6
    with pytest.raises(ErktError, match="does not fit float16"):
        block_logits(teacher, batches(), [0])


def test_in_order_visits_whole_pairs_once() -> None:
    data = batches(batch_size=4)
    order = data.in_order(3)
    assert sorted(np.concatenate(order).tolist()) == list(range(31))
    partners = data.view(3).partners
    for positions in order:
        assert len(positions) <= 4
        assert set(partners[positions]) == set(positions.tolist())


def test_verification_accepts_the_teacher_and_catches_another(block: Path) -> None:
    data = batches()
    stored = open_blocks([block], data, ORIGIN, [0, 1], refuse)
    assert largest_difference(classifier(1).eval(), data, stored, 2, 8) < TOLERANCE
    assert largest_difference(classifier(2).eval(), data, stored, 2, 8) > 10 * TOLERANCE
    broken = classifier(1).eval()
    broken.network.head.bias.data += float("nan")
    assert largest_difference(broken, data, stored, 2, 8) > TOLERANCE


def test_epochs_show_the_views_in_turn_and_a_repeated_view_in_another_order() -> None:
    shown = [batches(views=2).epoch(epoch) for epoch in range(4)]
    assert [view.number for view, _ in shown] == [0, 1, 0, 1]
    assert len({tuple(np.concatenate(order).tolist()) for _, order in shown}) == 4


def test_pixels_that_replay_beyond_rounding_are_refused(block: Path) -> None:
    manifest = read_sealed(block / "manifest.json")
    manifest["probe"]["sha256"] = "another device's"
    manifest["probe"]["cells"][0] += probe_tolerance(16) * 1.5
    write_sealed(block / "manifest.json", manifest)
    with pytest.raises(ErktError, match="replays with other pixels"):
        open_blocks([block], batches(), ORIGIN, [0, 1], refuse)
