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


@pytest.mark.parametrize("count", [3, 0])
def test_logits_come_back_bit_for_bit(tmp_path: Path, count: int) -> None:
    own = replace(part(count), classes=CLASSES)
    logits.save(tmp_path / "x.safetensors", SCORES[:count], network=NETWORK, part=own)
    back = logits.load(tmp_path / "x.safetensors", network=NETWORK, part=own)
    np.testing.assert_array_equal(back, SCORES[:count], strict=True)


def test_the_same_logits_make_the_same_bytes(tmp_path: Path) -> None:
    """Twenty times, since an order that differs from run to run repeats by chance."""
    for name in range(20):
        logits.save(tmp_path / f"{name}.safetensors", SCORES, network=NETWORK, part=PART)
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1


def test_logits_of_something_else_are_refused(tmp_path: Path) -> None:
    logits.save(tmp_path / "x.safetensors", SCORES, network=NETWORK, part=PART)
    for name, network, other in [
        ("network", Sha256("another"), PART),
        ("images", NETWORK, replace(part(3, "others"), classes=CLASSES)),
        ("classes", NETWORK, replace(PART, classes=CLASSES[::-1])),
    ]:
        with pytest.raises(ErktError, match=f"not the logits of this run's {name}"):
            logits.load(tmp_path / "x.safetensors", network=network, part=other)


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
