"""Full disks and flipped bits: one clear line, what was there stays, nothing damaged is used."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from full_disk import fill
from made import CLASSES, ORIGIN, batches, classifier
from packed import ignore, refused, write, zip_of
from PIL import Image

from erkt.data.images import open_images
from erkt.data.prepare import prepare
from erkt.errors import ErktError
from erkt.inflight.checkpoints import Checkpoint, FolderCheckpoints
from erkt.inflight.states import State
from erkt.inflight.stopping import Stop
from erkt.networks.models import load_folder, save_folder
from erkt.params.prepare import Prepare
from erkt.teachers.reader import open_blocks
from erkt.teachers.writer import write_block

SETTINGS = Prepare(8, "bicubic", "squash", "refuse")


def fail(message: str) -> None:
    pytest.fail(f"a warning came where none was due: {message}")


def left(disk: Path) -> list[str]:
    return sorted(path.relative_to(disk).as_posix() for path in disk.rglob("*") if path.is_file())


def test_a_full_disk_stops_with_the_checkpoint_before(disk: Path) -> None:
    kept = FolderCheckpoints(disk / "state", 0, Stop(), fail)
    kept.after_step(lambda: Checkpoint({"w": torch.arange(10000)}, {"step": 1}))
    fill(disk)
    message = refused(kept.after_step, lambda: Checkpoint({"w": torch.arange(20000)}, {"step": 2}))
    assert "checkpoint.safetensors: not written: " in message
    assert "No space left" in message
    assert left(disk) == ["filler", "state/checkpoint.safetensors"]
    checkpoint = kept.restore(torch.device("cpu"))
    assert checkpoint is not None
    assert checkpoint.state == {"step": 1}
    assert torch.equal(checkpoint.tensors["w"], torch.arange(10000))


def test_a_full_disk_leaves_no_half_block(disk: Path) -> None:
    fill(disk)
    message = refused(write_block, disk / "0", classifier(1), batches(), views=[0], origin=ORIGIN)
    assert "No space left" in message
    assert left(disk) == ["filler"]


def archive_of(folder: Path) -> Path:
    files = {}
    for name in CLASSES:
        for number in range(3):
            out = io.BytesIO()
            Image.new("RGB", (8, 8), (10 * number + len(name),) * 3).save(out, "PNG")
            files[f"{name}/{number}.png"] = out.getvalue()
    return write(folder / "images.zip", zip_of(files))


def test_a_full_disk_leaves_no_half_array(disk: Path, tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    prepare(archive, disk / "prepared", SETTINGS, ignore)
    before = {name: (disk / name).read_bytes() for name in left(disk)}
    fill(disk)
    assert "No space left" in refused(prepare, archive, disk / "prepared", SETTINGS, ignore)
    (disk / "filler").unlink()
    assert {name: (disk / name).read_bytes() for name in left(disk)} == before


def test_a_full_disk_keeps_no_half_result(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(os.urandom(300_000))
    state = State(disk, "train@0", "0" * 64)
    assert "No space left" in refused(state.finish, tmp_path, [Path("out")], "line")
    assert left(disk) == []
    assert state.take(tmp_path, fail) is None


Harm = Callable[[Path, int], Iterator[int]]


def flips(path: Path, step: int) -> Iterator[int]:
    """Flip a bit of each ``step``-th byte of ``path``, one after the other; yield the byte's place."""
    whole = path.read_bytes()
    for place in range(0, len(whole), step):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 7)]) + whole[place + 1 :])
        yield place


def cuts(path: Path, step: int) -> Iterator[int]:
    """Cut ``path`` to each multiple of ``step`` bytes, one after the other; yield the length."""
    whole = path.read_bytes()
    for length in range(0, len(whole), step):
        path.write_bytes(whole[:length])
        yield length


def check_damage(path: Path, harm: Harm, step: int, check: Callable[[], None]) -> None:
    """Assert that ``check`` passes, or is refused in one line, and the latter more than a few times."""
    lines = []
    for _ in harm(path, step):
        try:
            check()
        except ErktError as error:
            lines.append(str(error))
    assert len(lines) > 5
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize("name", ["manifest.json", "logits.npy"])
@pytest.mark.parametrize("harm", [flips, cuts])
def test_a_damaged_block_is_refused_or_changes_nothing(tmp_path: Path, name: str, harm: Harm) -> None:
    data = batches()
    write_block(tmp_path, classifier(1), data, views=[0, 1], origin=ORIGIN)
    whole = open_blocks([tmp_path], data, ORIGIN, [0, 1], fail)
    expected = {number: np.array(rows) for number, rows in whole.items()}

    def check() -> None:
        found = open_blocks([tmp_path], data, ORIGIN, [0, 1], lambda message: None)
        assert all(np.array_equal(found[number], expected[number]) for number in (0, 1))

    check_damage(tmp_path / name, harm, 17 if name == "logits.npy" else 41, check)


@pytest.mark.parametrize("name", ["manifest.json", "images.npy", "index.csv"])
@pytest.mark.parametrize("harm", [flips, cuts])
def test_a_damaged_array_is_refused_or_changes_nothing(tmp_path: Path, name: str, harm: Harm) -> None:
    prepare(archive_of(tmp_path), tmp_path / "prepared", SETTINGS, ignore)
    whole = open_images(tmp_path / "prepared")
    expected = np.array(whole.array)

    def check() -> None:
        found = open_images(tmp_path / "prepared")
        assert np.array_equal(found.array, expected)
        assert (found.index, found.classes) == (whole.index, whole.classes)

    check_damage(tmp_path / "prepared" / name, harm, 7, check)


@pytest.mark.parametrize("name", ["manifest.json", "weights.safetensors"])
def test_a_damaged_network_is_refused(tmp_path: Path, name: str) -> None:
    save_folder(classifier(1), tmp_path)
    for place in flips(tmp_path / name, 97):
        if name == "weights.safetensors" or place <= 80:  # behind: the count of parameters, not read here
            refused(load_folder, tmp_path, CLASSES)
