import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from made import CARD
from views_settings import sample_images

from erkt.errors import ErktError
from erkt.networks import models, onnx_export
from erkt.networks.models import Classifier
from erkt.params.network import Network, Weights


def network(arch: str) -> Classifier:
    """Return a network whose statistics and logits have a spread."""
    settings = Network(arch, Weights("none", None, None, None), drop_rate=0.2, drop_path_rate=0.2)
    model = models.build(settings, CARD.classes, 32, seed=0, environment={}).train()
    with torch.no_grad():
        for _ in range(20):
            model(sample_images(16, 32) / 255)
        list(model.network.parameters())[-2].mul_(100)  # the head
    return model


def agree(model: Classifier, path: Path) -> None:
    """Check the card and the logits of an exported network, for two sizes of batch."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["card"])
    assert card["classes"] == list(CARD.classes)
    for count in (1, 7):
        images = sample_images(count, 32, seed=count) / 255
        with torch.inference_mode():
            expected = model.eval()(images).numpy()
        (found,) = session.run(["logits"], {"images": images.numpy()})
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * expected.std())
        assert expected.std() > 0.1


def test_another_runtime_gives_the_same_logits_for_any_batch(tmp_path: Path) -> None:
    model = network("test_efficientnet")
    onnx_export.to_onnx(model, tmp_path / "network.onnx")
    agree(model, tmp_path / "network.onnx")


def test_without_the_exporter_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None)
    with pytest.raises(ErktError, match=r"pip install '\.\[onnx\]'"):
        onnx_export.to_onnx(network("test_resnet"), tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())
