from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made import part

from erkt.errors import ErktError
from erkt.files.digests import Sha256
from erkt.networks import logits

SCORES = np.array([[1.5, -2.25], [0.0, 3e-8], [7.0, 1.0]], np.float32)
CLASSES = ("A b", "é")
NETWORK, PART = Sha256("network"), replace(part(3), classes=CLASSES)


def test_logits_come_back_bit_for_bit(tmp_path: Path) -> None:
    logits.save(tmp_path / "x.safetensors", SCORES, network=NETWORK, part=PART)
    assert np.array_equal(logits.load(tmp_path / "x.safetensors", network=NETWORK, part=PART), SCORES)


def test_an_empty_part_has_empty_logits(tmp_path: Path) -> None:
    logits.save(tmp_path / "x.safetensors", SCORES[:0], network=NETWORK, part=PART)
    assert logits.load(tmp_path / "x.safetensors", network=NETWORK, part=PART).shape == (0, 2)


def test_the_same_logits_make_the_same_bytes(tmp_path: Path) -> None:
    """Twenty times, since an order that differs from run to run repeats by chance."""
    for name in range(20):
        logits.save(tmp_path / f"{name}.safetensors", SCORES, network=NETWORK, part=PART)
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1


def test_logits_of_other_images_or_classes_are_refused(tmp_path: Path) -> None:
    logits.save(tmp_path / "x.safetensors", SCORES, network=NETWORK, part=PART)
    with pytest.raises(ErktError, match="belong to another teacher"):
        logits.load(tmp_path / "x.safetensors", network=Sha256("another"), part=PART)
    with pytest.raises(ErktError, match="belong to another list of images"):
        logits.load(tmp_path / "x.safetensors", network=NETWORK, part=part(3, "others"))
    with pytest.raises(ErktError, match="belong to other classes"):
        logits.load(tmp_path / "x.safetensors", network=NETWORK, part=replace(PART, classes=CLASSES[::-1]))


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: b"", lambda data: b"\xff" * 40])
def test_damaged_logits_are_refused_in_one_line(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "x.safetensors"
    logits.save(path, SCORES, network=NETWORK, part=PART)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ErktError, match="cannot be read as logits") as caught:
        logits.load(path, network=NETWORK, part=PART)
    assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(ErktError, match="cannot be read as logits"):
        logits.load(path, network=NETWORK, part=PART)
