import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import Exported
from deploy_run import Made

import erkt
from erkt.data.images import Subset
from erkt.deploy import int8
from erkt.deploy.onnx_model import OnnxModel
from erkt.errors import ErktError


@pytest.fixture
def parts(exported: Exported) -> tuple[Subset, Subset]:
    described = exported.described
    assert described.train is not None
    assert described.val is not None
    return described.train, described.val


@pytest.fixture
def path(exported: Exported, tmp_path: Path) -> Path:
    shutil.copy(exported.path, tmp_path / "student.onnx")
    return tmp_path / "student.onnx"


def none_of(part: Subset) -> Subset:
    return replace(part, rows=part.rows[:0], labels=part.labels[:0], keys=())


def test_an_accepted_file_is_smaller_and_says_what_it_is(
    made: Made, exported: Exported, path: Path, parts: tuple[Subset, Subset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "AGREEMENT", 0.0)
    lines = int8.replace_where_equal(path, *parts, parts[1])
    assert lines[-1] == f"{path} is int8"
    assert path.stat().st_size < exported.path.stat().st_size / 2
    kinds = {tensor.data_type for tensor in onnx.load(path).graph.initializer}
    assert onnx.TensorProto.INT8 in kinds
    one, other = erkt.load(path), erkt.load(exported.path)
    assert (one.card.precision, other.card.precision) == ("int8", "fp32")
    assert replace(one.card, precision="fp32", calibration=other.card.calibration) == replace(
        other.card, results={}
    )
    assert other.card.results
    images = sorted(made.images.rglob("*.jpg"))
    mine, theirs = (np.stack([found.probabilities for found in p.predict(images)]) for p in (one, other))
    assert np.abs(mine - theirs).mean() < 0.2
    assert one.embed(images).shape == other.embed(images).shape


def test_what_does_not_agree_is_refused_and_fp32_stays(
    path: Path, parts: tuple[Subset, Subset], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(int8, "AGREEMENT", 100.1)
    lines = int8.replace_where_equal(path, *parts, parts[1])
    assert lines[-1] == f"int8 is refused, less than 100.1 % agree; {path} is fp32"
    assert path.read_bytes() == before


class Saying:
    """A model that says given classes."""

    def __init__(self, said: list[int]) -> None:
        self._said = iter(np.eye(3, dtype=np.float32)[said])

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        return np.stack([next(self._said) for _ in pixels])


def test_agreement_and_the_difference_are_counted_image_by_image(parts: tuple[Subset, Subset]) -> None:
    test = parts[1]
    labels = test.labels.tolist()
    assert len(labels) == 12
    exact, other = [*labels], [*labels]
    other[0] = (labels[0] + 1) % 3
    found = int8.compare(Saying(exact), Saying(other), test, "min-max")
    assert found.agreement == pytest.approx(100 * 11 / 12)
    assert found.difference == pytest.approx(-100 / 12)
    assert found.low < found.difference < found.high <= 0
    assert not found.accepted
    assert int8.compare(Saying(exact), Saying(exact), test, "min-max").accepted
    with pytest.raises(ErktError, match="has no images"):
        int8.compare(Saying([]), Saying([]), none_of(test), "min-max")


def test_the_way_is_chosen_by_agreement_and_without_a_validation_part_on_other_training_images(
    path: Path, tmp_path: Path, parts: tuple[Subset, Subset], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, val = parts
    looked_at = []
    original = int8._logits

    def spy(model: OnnxModel, pixels: np.ndarray) -> np.ndarray:
        looked_at.append(pixels)
        return original(model, pixels)

    monkeypatch.setattr(int8, "_logits", spy)
    int8.quantize(path, tmp_path / "one.onnx", train, val)
    np.testing.assert_array_equal(looked_at[0], val.pixels(range(12)).transpose(0, 2, 3, 1))
    looked_at.clear()
    int8.quantize(path, tmp_path / "two.onnx", train, none_of(val))
    ranges, judges = int8._apart(train)
    assert (len(ranges), len(looked_at[0])) == (9, 3)
    np.testing.assert_array_equal(looked_at[0], judges.transpose(0, 2, 3, 1))
    every = np.sort([image.sum() for image in (*ranges, *judges)])
    np.testing.assert_array_equal(every, np.sort([image.sum() for image in train.pixels(range(12))]))


def test_the_card_is_in_the_metadata_alone(path: Path, tmp_path: Path, parts: tuple[Subset, Subset]) -> None:
    int8.quantize(path, tmp_path / "int8.onnx", *parts)
    (entry,) = onnx.load(tmp_path / "int8.onnx").metadata_props
    assert json.loads(entry.value)["precision"] == "int8"
