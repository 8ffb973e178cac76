import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from erkt.errors import ErktError
from erkt.files.digests import sha256_file
from erkt.networks import models
from erkt.params.network import Network, Weights

NONE = Weights("none", None, None, None)
NETWORK = Network("test_resnet", NONE, 0.0, 0.0)
CLASSES = ("one", "deux (2)", "drei-ß")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a whole network with its 1000-class head in half precision, as a user might have them."""
    network = timm.create_model("test_resnet", num_classes=1000)
    path = tmp_path_factory.mktemp("weights") / "test_resnet.safetensors"
    save_file(
        {name: t.half() if t.is_floating_point() else t for name, t in network.state_dict().items()}, path
    )
    return path


def from_file(path: Path, sha256: str | None) -> Network:
    return replace(NETWORK, weights=Weights("file", f"$HERE/{path.name}", None, sha256))


def test_the_seed_decides_the_initial_weights_and_nothing_else_does() -> None:
    first = models.build(NETWORK, CLASSES, 64, 5, {}).state_dict()
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again, other = models.build(NETWORK, CLASSES, 64, 5, {}), models.build(NETWORK, CLASSES, 64, 6, {})
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(tensor, first[name]) for name, tensor in again.state_dict().items())
    assert not torch.equal(other.network.fc.weight, again.network.fc.weight)


def test_a_file_gives_all_weights_but_the_heads(pretrained: Path) -> None:
    model = models.build(
        from_file(pretrained, sha256_file(pretrained)), CLASSES, 64, 5, {"HERE": str(pretrained.parent)}
    )
    with safe_open(pretrained, framework="pt") as file:
        for name, tensor in model.network.state_dict().items():
            if name.startswith("fc."):
                assert tensor.shape[0] == len(CLASSES)
            else:
                assert torch.equal(tensor, file.get_tensor(name).to(tensor.dtype))
    assert model.network.conv1[0].weight.dtype == torch.float32
    assert sha256_file(pretrained) in model.card.source
    assert str(pretrained.parent) not in model.card.source


def test_a_file_that_fills_a_part_of_the_network_is_refused(pretrained: Path, tmp_path: Path) -> None:
    """timm itself passes over what is not there, and the network would begin at random."""
    with safe_open(pretrained, framework="pt") as file:
        whole = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    half = {name: whole[name] for name in sorted(whole)[: len(whole) // 2]}
    heads = {name: tensor for name, tensor in whole.items() if name.startswith("fc.")}
    renamed = {f"backbone.{name}": tensor for name, tensor in whole.items()}
    for number, tensors in enumerate((half, heads, renamed)):
        path = tmp_path / f"{number}.safetensors"
        save_file(tensors, path)
        with pytest.raises(ErktError, match=r"test_resnet: its initial weights lack \d+ of \d+ tensors, or"):
            models.build(from_file(path, None), CLASSES, 64, 5, {"HERE": str(tmp_path)})


@pytest.mark.parametrize(
    ("sha256", "environment", "message"),
    [
        (None, {}, "environment variable HERE is not set"),
        (None, {"HERE": "/nowhere"}, "no such weights file"),
        ("0" * 64, None, "sha256 is .*, expected 0000"),
    ],
)
def test_missing_or_other_weights_are_refused(
    pretrained: Path, sha256: str | None, environment: dict[str, str] | None, message: str
) -> None:
    where = {"HERE": str(pretrained.parent)} if environment is None else environment
    with pytest.raises(ErktError, match=message):
        models.build(from_file(pretrained, sha256), CLASSES, 64, 0, where)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arch": "test_efficientnet", "weights": "file"}, "initial weights cannot be loaded"),
        ({"arch": "resnet5o"}, "no architecture 'resnet5o'; did you mean 'resnet50'"),
        ({"arch": "vgg11", "drop_path_rate": 0.1}, "does not take"),
        ({"arch": "vit_tiny_patch16_224"}, "vit_tiny_patch16_224: does not take images of 64 pixels"),
    ],
)
def test_what_cannot_be_built_is_one_line(pretrained: Path, changes: dict[str, Any], message: str) -> None:
    if "weights" in changes:
        changes = changes | {"weights": from_file(pretrained, None).weights}
    with pytest.raises(ErktError, match=message) as caught:
        models.build(replace(NETWORK, **changes), CLASSES, 64, 0, {"HERE": str(pretrained.parent)})
    assert "\n" not in str(caught.value)


def test_a_saved_network_comes_back_with_its_card_and_its_logits(tmp_path: Path) -> None:
    model = models.build(NETWORK, CLASSES, 64, 5, {}).eval()
    models.save(model, tmp_path / "w.safetensors")
    with safe_open(tmp_path / "w.safetensors", framework="pt") as file:
        card = json.loads(file.metadata()["card"])
    assert (card["classes"], card["arch"]) == (list(CLASSES), "test_resnet")
    assert (card["side"], card["source"]) == (64, "random")
    back = models.load(tmp_path / "w.safetensors", CLASSES)
    assert back.card == model.card
    assert not back.training
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(back(images), model(images))


def test_the_same_network_is_saved_as_the_same_bytes(tmp_path: Path) -> None:
    model = models.build(NETWORK, CLASSES, 64, 5, {})
    for name in range(5):
        models.save(model, tmp_path / f"{name}")
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1


def test_parameters_are_counted_with_the_head() -> None:
    model = models.build(NETWORK, CLASSES, 64, 0, {})
    reference = timm.create_model("test_resnet", num_classes=3)
    assert model.parameters_count == sum(p.numel() for p in reference.parameters() if p.requires_grad)


def test_damaged_or_foreign_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    models.save(models.build(NETWORK, CLASSES, 64, 5, {}), path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ErktError, match="cannot be read as weights"):
        models.load(path, CLASSES)
    models.save(models.build(NETWORK, CLASSES, 64, 5, {}), path)
    with pytest.raises(ErktError, match="knows other classes"):
        models.load(path, CLASSES[::-1])
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ErktError, match="carry no card"):
        models.load(path, CLASSES)
    with pytest.raises(ErktError, match="cannot be read as weights"):
        models.load(tmp_path / "absent", CLASSES)


def test_a_rate_of_zero_is_zero_also_where_timm_has_another_default() -> None:
    model = models.build(replace(NETWORK, arch="ghostnet_050"), CLASSES, 64, 0, {})
    assert timm.create_model("ghostnet_050").drop_rate == 0.2
    assert model.network.drop_rate == 0.0


def test_only_safetensors_are_read(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"anything")
    with pytest.raises(ErktError, match=r"\.safetensors files alone"):
        models.build(from_file(tmp_path / "w.pth", None), CLASSES, 64, 0, {"HERE": str(tmp_path)})


def test_the_card_holds_the_statistics_of_the_architecture() -> None:
    card = models.build(replace(NETWORK, arch="resnet10t"), CLASSES, 64, 0, {}).card
    assert card.mean == (0.485, 0.456, 0.406)
    assert card.std == (0.229, 0.224, 0.225)
