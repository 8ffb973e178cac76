"""A network that sees images at a side of its own: what it is given, and that all who use it agree."""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from made import CARD, classifier
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from views_settings import sample_images

from erkt.cli import export as command
from erkt.errors import ErktError
from erkt.evaluation.gradcam import heat
from erkt.networks import models, onnx_export
from erkt.networks.feature_maps import has_maps, maps
from erkt.networks.models import Classifier
from erkt.params.network import Network, Weights

RANDOM, HUB = (Weights(source, None, None, None) for source in ("none", "hub"))
OLD = ("arch", "classes", "side", "mean", "std", "source")
VIT = Network("test_vit", RANDOM, 0.0, 0.0, side=48, options={"img_size": 48})


def images(side: int, count: int = 3) -> Tensor:
    return sample_images(count, side) / 255


def built(settings: Network, side: int = 32) -> Classifier:
    """Return a network with logits that have a spread."""
    model = models.build(settings, CARD.classes, side, seed=0, environment={}).eval()
    with torch.no_grad():
        for parameter in model.network.get_classifier().parameters():
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    return model


def filter_of(from_side: int, to_side: int) -> np.ndarray:
    """Return the matrix (to, from) of a bilinear filter: a triangle around each new pixel's centre.

    It is as wide as a new pixel where the image shrinks, and as an old one where it grows.
    """
    scale = from_side / to_side
    width = max(scale, 1.0)
    centres = (np.arange(to_side) + 0.5) * scale
    weights = 1 - np.abs(np.arange(from_side) + 0.5 - centres[:, None]) / width
    weights = weights.clip(0)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("from_side", "to_side"), [(16, 24), (32, 20), (20, 8), (16, 17)])
def test_what_it_sees_is_a_bilinear_filter_of_the_image_normalised(from_side: int, to_side: int) -> None:
    batch, model = images(from_side), classifier(network_side=to_side)
    matrix = filter_of(from_side, to_side)
    resized = np.einsum("ay,bcyx,dx->bcad", matrix, batch.double().numpy(), matrix)
    mean, std = (np.array(values)[:, None, None] for values in (CARD.mean, CARD.std))
    np.testing.assert_allclose(model.seen(batch).numpy(), (resized - mean) / std, atol=1e-5)


@pytest.mark.parametrize("own", [None, 16])
def test_without_another_side_every_bit_is_as_before(own: int | None) -> None:
    batch, model = images(16), classifier(network_side=own).eval()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (CARD.mean, CARD.std))
    assert torch.equal(model.seen(batch), (batch - mean) / std)
    assert torch.equal(model(batch), model.network((batch - mean) / std))


@pytest.mark.parametrize("side", [40, 10])
def test_no_value_leaves_the_range_of_the_images(side: int) -> None:
    """Black and white borders, as views have them."""
    batch = (images(16) > 0.5).float()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (CARD.mean, CARD.std))
    seen = classifier(network_side=side).seen(batch) * std + mean
    assert -1e-6 <= seen.min() < 0.1
    assert 0.9 < seen.max() <= 1 + 1e-6


def test_what_an_image_becomes_depends_on_neither_batch_nor_layout() -> None:
    batch, model = images(16), classifier(network_side=24)
    together = model.seen(batch)
    assert torch.equal(model.seen(batch.contiguous(memory_format=torch.channels_last)), together)
    assert all(torch.equal(model.seen(batch[at : at + 1])[0], together[at]) for at in range(3))


def test_a_stored_network_comes_back_with_side_and_options_and_gives_the_same_logits(tmp_path: Path) -> None:
    model = built(VIT)
    models.save_folder(model, tmp_path)
    back = models.load_folder(tmp_path, CARD.classes)
    assert back.card == model.card
    assert (back.card.side, back.card.network_side, back.card.options) == (32, 48, {"img_size": 48})
    assert back.card.resampling == "bilinear, antialiased where it shrinks"
    with torch.inference_mode():
        assert torch.equal(back(images(32)), model(images(32)))
        assert model(images(32)).std() > 0.01


def rewritten(path: Path, change: dict[str, object], kept: tuple[str, ...] | None = None) -> None:
    """Write the weights at ``path`` with another card: of its fields those ``kept``, and the ``change``."""
    with safe_open(path, framework="pt") as file:
        card = json.loads(file.metadata()["card"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    card = {name: value for name, value in card.items() if kept is None or name in kept}
    save_file(tensors, path, metadata={"card": json.dumps(card | change)})


def test_weights_written_before_there_were_sides_are_read_as_they_were_meant(tmp_path: Path) -> None:
    model, path = built(Network("test_resnet", RANDOM, 0.0, 0.0)), tmp_path / "w.safetensors"
    models.save(model, path)
    rewritten(path, {}, kept=OLD)
    back = models.load(path, CARD.classes)
    assert (back.card.network_side, back.card.options, back.card.licence) == (None, {}, "not stated")
    with torch.inference_mode():
        assert torch.equal(back(images(32)), model(images(32)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tint": "blue"}, "written by a later version, which has tint; update this one"),
        ({"resampling": "nearest"}, "written by a later version, which has resampling nearest"),
        ({"options": {"img_size": 32}}, r"does not fit test_vit of timm \d.*size mismatch for pos_embed"),
        ({"options": {"img_sice": 48}}, r"does not fit test_vit of timm \d.*img_sice"),
    ],
)
def test_a_card_that_does_not_fit_is_one_line(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    models.save(built(VIT), tmp_path / "w.safetensors")
    rewritten(tmp_path / "w.safetensors", change)
    with pytest.raises(ErktError, match=message) as caught:
        models.load(tmp_path / "w.safetensors", CARD.classes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", [16, 64])
def test_onnx_resizes_as_torch_does(tmp_path: Path, side: int) -> None:
    model = built(VIT, side)
    onnx_export.to_onnx(model, tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = model(images(side)).numpy()
    (found,) = session.run(["logits"], {"images": images(side).numpy()})
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * expected.std())
    card = json.loads(session.get_modelmeta().custom_metadata_map["card"])
    assert (card["side"], card["network_side"]) == (side, 48)


def test_maps_and_heat_are_those_of_the_networks_own_side() -> None:
    plain, sided = (built(Network("test_resnet", RANDOM, 0.0, 0.0, side=own)) for own in (None, 64))
    with torch.no_grad():
        assert maps(sided, images(32)).shape[-1] == 2 * maps(plain, images(32)).shape[-1]
        assert torch.equal(sided(images(32)), sided.network.forward_head(maps(sided, images(32))))
    pixels = sample_images(2, 32).numpy()
    found = heat(sided, pixels, np.array([0, 1]))
    assert found.shape == (2, 32, 32)
    assert np.isfinite(found).all()


def test_a_network_with_several_features_has_no_maps() -> None:
    model = models.build(Network("crossvit_tiny_240", RANDOM, 0.0, 0.0, side=240), ("a", "b"), 32, 0, {})
    assert not isinstance(maps(model, images(32)), Tensor), "it would say nothing here"
    assert not has_maps(model, images(32))


@pytest.mark.parametrize(
    ("arch", "licence", "origin"),
    [
        ("vit_small_patch16_dinov3.lvd1689m", "dinov3-license", None),
        ("resnet50.tv_in1k", "bsd-3-clause", "https://github.com/pytorch/vision"),
        ("cpubone_b0_bfrobust.r224_in1k", "not stated", None),
        ("dla60_res2net.in1k", "not stated", None),  # timm: unknown
    ],
)
def test_the_licence_of_timms_weights_is_in_the_card_and_stays_there(
    arch: str,
    licence: str,
    origin: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("timm.models._builder.load_pretrained", lambda *_, **__: None)
    model = models.build(Network(arch, HUB, 0.0, 0.0), CARD.classes, 64, 0, {})
    models.save_folder(model, tmp_path)
    card = models.load_folder(tmp_path, CARD.classes).card
    assert (card.licence, card.origin) == (licence, origin)


def test_where_no_licence_is_known_the_card_and_the_export_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a file nothing is known: timm's licence is that of timm's own weights."""
    random = built(Network("test_resnet", RANDOM, 0.0, 0.0))
    assert random.card.licence is None, "random weights need none"
    save_file(random.network.state_dict(), tmp_path / "mine.safetensors")
    own = Weights("file", str(tmp_path / "mine.safetensors"), None, None)
    model = models.build(Network("test_resnet.r160_in1k", own, 0.0, 0.0), CARD.classes, 32, 0, {})
    assert model.network.pretrained_cfg["license"], "it would say nothing here"
    models.save_folder(model, tmp_path)
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    how = ["--filter", "bicubic", "--non-square", "squash"]
    assert command.run(parser.parse_args([str(tmp_path), str(tmp_path / "x.onnx"), *how])) == 0
    assert "licence: not stated" in capsys.readouterr().out
    metadata = onnxruntime.InferenceSession(tmp_path / "x.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(metadata["erkt"])["weights"]["licence"] == "not stated"
