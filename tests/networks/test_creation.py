"""What timm does not make, or what does not take the images: one line, with a change that does work."""

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
import yaml
from closure import ROOT

from erkt.errors import ErktError
from erkt.networks import macs, models
from erkt.networks.creation import check
from erkt.params.network import Network, Weights
from erkt.params.schema import build
from erkt.params.teacher import Teacher

RANDOM, HUB = (Weights(source, None, None, None) for source in ("none", "hub"))


def network(arch: str, **changes: Any) -> Network:
    return replace(Network(arch, RANDOM, 0.0, 0.0), **changes)


@pytest.mark.parametrize(
    ("settings", "side", "message", "mended"),
    [
        (
            network("vit_base_patch16_clip_224.openai"),
            256,
            r"does not take images of 256 pixels: .*\(224\); set options\.img_size: 256, or set side: 224$",
            [{"options": {"img_size": 256}}, {"side": 224}],
        ),
        (
            network("vit_small_patch14_dinov2.lvd142m"),
            256,
            r"; set side: 252 and options\.img_size: 252, or set side: 518$",
            [{"side": 252, "options": {"img_size": 252}}, {"side": 518}],
        ),
        (
            network("vit_small_patch16_dinov3.lvd1689m"),
            250,
            r"divisible by patch size \(16\); set side: 240, or set side: 256$",
            [{"side": 240}, {"side": 256}],
        ),
        (
            network("swin_tiny_patch4_window7_224.ms_in1k"),
            256,
            r"; set options\.img_size: 256, or set side: 224$",
            [{"options": {"img_size": 256}}, {"side": 224}],
        ),
        (
            network("vit_tiny_patch16_224", options={"img_size": 64}, side=48),
            160,
            r"does not take images of 48 pixels: .*; set options\.img_size: 48, or set side: 64",
            [{"options": {"img_size": 48}}],
        ),
        (
            network("test_vit", options={"img_sice": 64}),
            64,
            r"^test_vit: does not take options\.img_sice; did you mean 'img_size'\?$",
            [{"options": {"img_size": 64}}],
        ),
        (
            network("test_resnet", options={"img_size": 64}),
            64,
            r"does not take options\.img_size; remove it$",
            [{"options": {}}],
        ),
        (
            network("test_vit", options={"img_size": "64"}),
            64,
            r"timm does not make it with options \{img_size: 64\} \(TypeError: .*\); correct or remove them$",
            [{"options": {"img_size": 64}}],
        ),
        (
            network("test_vit", options={"global_pool": ""}),
            160,
            r"is no classifier: .* \(1, \d+, 7\), expected \(1, 7\); remove options\.global_pool$",
            [{"options": {}}],
        ),
        (
            network("vgg11", drop_path_rate=0.1),
            64,
            r"does not take drop_path_rate; set drop_path_rate to 0$",
            [{"drop_path_rate": 0.0}],
        ),
        (
            network("test_vti"),
            160,
            r"timm has no architecture 'test_vti'; did you mean 'test_vit'\?",
            [{"arch": "test_vit"}],
        ),
    ],
    ids=lambda value: value.arch if isinstance(value, Network) else None,
)
def test_what_does_not_work_is_one_line_and_what_it_names_does(
    settings: Network, side: int, message: str, mended: list[dict[str, Any]]
) -> None:
    with pytest.raises(ErktError, match=message) as caught:
        check(settings, side)
    assert "\n" not in str(caught.value)
    for changes in mended:
        check(replace(settings, **changes), side)


def test_a_network_without_logits_is_refused() -> None:
    with pytest.raises(ErktError, match=r"is no classifier: .*; choose another arch$"):
        check(network("deepseek_vit_412m_enc"), 546)


@pytest.mark.parametrize(
    ("arch", "side"),
    [
        ("vit_small_patch16_dinov3.lvd1689m", 256),
        ("vit_large_patch16_dinov3.sat493m", 256),
        ("vit_7b_patch16_dinov3.sat493m", 256),  # 27 GB of weights, if there were any
        ("naflexvit_base_patch16_radio_v3.c_radio", 256),
        ("convnext_tiny.dinov3_lvd1689m", 256),
        ("resnet50.tv_in1k", 100),
    ],
)
def test_these_take_images_as_they_are_and_nothing_is_made_or_drawn(arch: str, side: int) -> None:
    before = torch.get_rng_state()
    check(network(arch), side)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_wrong_side_is_refused_before_weights_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timm.models._builder.load_pretrained", lambda *_, **__: pytest.fail("asked for"))
    settings = network("vit_tiny_patch16_224.augreg_in21k", weights=HUB)
    with pytest.raises(ErktError, match="does not take images of 64 pixels"):
        models.build(settings, ("a", "b"), 64, 0, {})


CHOICES = (ROOT / "docs/choices.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w.]+)` \| (null|\d+) \| `(\{.*\})` \| ([\d.]+) \|$", CHOICES, flags=re.MULTILINE)


def test_the_documented_teachers_take_images_of_256_pixels() -> None:
    (block,) = re.findall(r"^    teachers:\n(?:^ {6,}.*\n)+", CHOICES, flags=re.MULTILINE)
    for name, values in yaml.safe_load(block)["teachers"].items():
        teacher = build(Teacher, values, name)
        assert teacher.train == "head"
        check(teacher.network, 256)


@pytest.mark.parametrize(("arch", "side", "options", "giga"), ROWS)
def test_the_documented_options_work_and_cost_what_is_written(
    arch: str, side: str, options: str, giga: str
) -> None:
    block = {"arch": arch, "side": yaml.safe_load(side), "options": yaml.safe_load(options)}
    check(network(arch, side=block["side"], options=block["options"]), 256)
    assert f"{macs.count_in(block, 45, 256)[0] / 1e9:.1f}" == giga
