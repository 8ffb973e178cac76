"""Costs of networks by hand, and against the paper's Tables 2 and 8."""

import pytest
import timm
import torch
from torch import Tensor, nn

from erkt.errors import ErktError
from erkt.evaluation.inference_cost import measure
from erkt.networks import macs


class Small(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.deep = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.head = nn.Linear(8, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.deep(self.wide(images)).mean((2, 3)))


def test_a_small_network_counted_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained, num_classes: Small(num_classes))
    pixels = 16 * 16
    assert macs.count.__wrapped__("small", 5, 32) == (
        pixels * 8 * 3 * 9 + pixels * 8 * 9 + 8 * 5,
        216 + 72 + 45,
    )


@pytest.mark.parametrize(
    ("arch", "parameters", "giga"),
    [
        ("resnet18", 11.7, 1.8),
        ("resnet50.tv_in1k", 25.6, 4.1),
        ("densenet121", 8.0, 2.9),
        ("mobilenetv2_100", 3.5, 0.3),
        ("efficientnet_b0", 5.3, 0.4),
    ],
)
def test_table_8_counts_these_with_1000_classes_at_224_px(arch: str, parameters: float, giga: float) -> None:
    cost, count = macs.count(arch, 1000, 224)
    assert round(count / 1e6, 1) == parameters
    assert cost / 1e9 == pytest.approx(giga, abs=0.08)


def test_an_ensemble_costs_what_its_networks_cost_together() -> None:
    archs = {"one": ["test_resnet"], "student": ["test_byobnet"], "ensemble": ["test_resnet", "test_byobnet"]}
    rows = {row["network"]: row for row in measure(archs, 32, 2, 3, torch.device("cpu"))}
    for what in ("parameters", "macs"):
        assert rows["ensemble"][what] == rows["one"][what] + rows["student"][what]
    assert rows["student"]["ratio"] == 1
    for row in rows.values():
        assert 0 < row["fastest"] <= row["milliseconds"] <= row["slowest"]


def test_a_network_with_a_side_of_its_own_costs_what_it_sees() -> None:
    own = {"arch": "test_resnet", "side": 64, "options": {}}
    assert macs.count_in(own, 5, 32) == macs.count("test_resnet", 5, 64)
    assert macs.count_in(own | {"side": None}, 5, 32) == macs.count("test_resnet", 5, 32)
    clip = {"arch": "vit_base_patch16_clip_224", "side": None, "options": {"img_size": 256}}
    with pytest.raises(ErktError, match=r"^vit_base_patch16_clip_224: Input height \(256\) doesn't match"):
        macs.count_in(clip | {"options": {}}, 5, 256)
    # A vision transformer by hand: patches, then in each of 12 blocks four products with the width squared,
    # eight in the perceptron, and two of tokens with tokens.
    tokens, width = 16 * 16 + 1, 768
    blocks = 12 * (12 * tokens * width**2 + 2 * tokens**2 * width)
    assert macs.count_in(clip, 5, 256)[0] == 256 * width * 3 * 16**2 + blocks + 5 * width
