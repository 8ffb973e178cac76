import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from closure import ROOT
from conftest import Exported
from made import CARD

from erkt.deploy import agreement, onnx_file
from erkt.deploy.describe import card_of
from erkt.deploy.onnx_model import OnnxModel
from erkt.deploy.pixels import from_bytes
from erkt.errors import ErktError
from erkt.networks import models
from erkt.params.network import Network, Weights
from erkt.params.prepare import Prepare


def pixels_of(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)


def test_the_file_takes_pixels_and_gives_the_networks_logits_and_features(exported: Exported) -> None:
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()
    assert (images.type, images.shape[1:]) == ("tensor(uint8)", [32, 32, 3])
    network = exported.described.model
    for count in (1, 5):
        pixels = pixels_of(count)
        unit = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            expected = network(unit).numpy()
            seen = (unit - network.mean) / network.std
            features = network.network.forward_features(seen).mean((2, 3)).numpy()
        found = session.run(["logits", "features"], {"images": pixels})
        assert expected.std() > 0.1
        np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-4)
        np.testing.assert_allclose(found[1], features, rtol=0, atol=1e-4)


def test_a_batch_says_of_each_image_what_it_says_of_it_alone(exported: Exported) -> None:
    model, pixels = OnnxModel(exported.path, threads=1), pixels_of(9)
    alone = np.concatenate([model.logits(pixels[place : place + 1]) for place in range(9)])
    np.testing.assert_allclose(model.logits(pixels), alone, rtol=0, atol=1e-5)


def test_the_card_and_all_weights_are_in_the_file(exported: Exported) -> None:
    assert [path.name for path in exported.path.parent.iterdir()] == ["student.onnx"]
    assert OnnxModel(exported.path).card == exported.described.card
    onnx.checker.check_model(onnx.load(exported.path), full_check=True)


def test_the_file_does_not_say_where_it_was_made(exported: Exported) -> None:
    """Paths of the code, which torch notes at each node, would differ from machine to machine."""
    written = exported.path.read_bytes()
    assert str(ROOT).encode() not in written
    assert b"site-packages" not in written
    (entry,) = onnx.load(exported.path).metadata_props
    assert entry.key == "erkt"


@pytest.mark.slow
def test_a_network_with_a_side_of_its_own_and_float_input(tmp_path: Path) -> None:
    settings = Network("test_byobnet", Weights("none", None, None, None), 0.0, 0.0, side=48)
    model = models.build(settings, CARD.classes, 32, seed=0, environment={})
    card = card_of(model, Prepare(32, "box", "squash", "refuse"))
    onnx_file.write(model, card, tmp_path / "student.onnx", float_input=True)
    session = onnxruntime.InferenceSession(tmp_path / "student.onnx", providers=["CPUExecutionProvider"])
    assert (session.get_inputs()[0].type, session.get_inputs()[0].shape[1:]) == ("tensor(float)", [3, 32, 32])
    pixels = pixels_of(3)
    with torch.inference_mode():
        expected = model(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
    np.testing.assert_allclose(
        OnnxModel(tmp_path / "student.onnx").logits(pixels), expected, rtol=0, atol=1e-4
    )


def test_an_export_is_compared_from_the_same_files_by_its_own_way_of_reading(exported: Exported) -> None:
    network, card, model = exported.described.model, exported.described.card, OnnxModel(exported.path)
    files = agreement.jpegs(exported.described.val.pixels(range(6)))

    def read(settings: Prepare) -> float:
        def logits(data: list[bytes]) -> np.ndarray:
            return model.logits(np.stack([from_bytes(file, settings) for file in data]))

        return agreement.check(network, card.preparation, files, logits, "student.onnx")

    largest = abs(model.logits(np.stack([from_bytes(file, card.preparation) for file in files]))).max()
    assert 0 <= read(card.preparation) < 2**-19 * largest  # 16 roundings of float32
    for other in (Prepare(32, "bilinear", "squash", "refuse"), Prepare(32, "box", "center_crop", "refuse")):
        with pytest.raises(ErktError, match=r"student\.onnx: its logits differ .* it is not kept"):
            read(other)


def test_logits_that_are_no_numbers_are_no_agreement(exported: Exported) -> None:
    files = agreement.jpegs(exported.described.val.pixels([0]))
    network, settings = exported.described.model, exported.described.card.preparation
    with pytest.raises(ErktError, match="differ from the network's by nan"):
        agreement.check(network, settings, files, lambda data: np.full((1, 3), np.nan, np.float32), "it")


def test_a_file_from_elsewhere_or_cut_short_is_one_line(exported: Exported, tmp_path: Path) -> None:
    whole = onnx.load(exported.path)
    del whole.metadata_props[:]
    onnx.save(whole, tmp_path / "foreign.onnx")
    (tmp_path / "cut.onnx").write_bytes(exported.path.read_bytes()[:-5000])
    (tmp_path / "text.onnx").write_text("weights")
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name, message in {
        "foreign.onnx": "an ONNX file without a card, from elsewhere; make one with: erkt export",
        "cut.onnx": "cut short, damaged, or no ONNX file",
        "text.onnx": "cut short, damaged, or no ONNX file",
        "empty.onnx": "cut short, damaged, or no ONNX file",
        "none.onnx": "cannot be read: No such file",
    }.items():
        with pytest.raises(ErktError, match=re.escape(f"{name}: {message}")) as caught:
            OnnxModel(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_without_the_exporter_one_line_says_what_to_install(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    with pytest.raises(ErktError, match=r"pip install 'erkt\[train\]'"):
        onnx_file.write(exported.described.model, exported.described.card, tmp_path / "student.onnx")
    assert not list(tmp_path.iterdir())


def test_images_prepared_at_another_side_are_refused(exported: Exported) -> None:
    with pytest.raises(ErktError, match="prepared at 64 pixels, the network was trained at 32"):
        card_of(exported.described.model, Prepare(64, "box", "squash", "refuse"))
