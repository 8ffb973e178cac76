"""What would be found after hours is found before: networks at every side and rate, time and memory."""

from typing import Any

import pytest
import torch
import yaml
from closure import ROOT
from packed import refused

from erkt.networks import rehearsal
from erkt.networks.creation import create
from erkt.params.network import Network, Weights
from erkt.params.protocol import Protocol, check
from erkt.pipeline.doctor.time_and_memory import Pace, estimate, in_words, seconds
from erkt.pipeline.images_known import Counted, images_known
from erkt.pipeline.networks_at_start import student_sides, unfit

TINY = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text(encoding="utf-8"))
RANDOM = Weights("none", None, None, None)


def protocol(**changes: Any) -> Protocol:
    """Return the small protocol with some values by dotted key."""
    params = yaml.safe_load(yaml.safe_dump(TINY))
    for place, value in changes.items():
        *above, last = place.split("__")
        block = params
        for key in above:
            block = block[key]
        block[last] = value
    return check(params, "here")


def said(**changes: Any) -> str:
    """Return the one finding on networks."""
    ((place, reason),) = unfit(protocol(**changes))
    return f"{place}: {reason}"


def test_networks_that_fit_are_fine() -> None:
    assert list(unfit(protocol())) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"student__arch": "vit_tiny_patch16_224"},
            "student: vit_tiny_patch16_224: does not take images",
        ),
        ({"student__arch": "test_resnet.nope"}, "Invalid pretrained tag (nope)"),
        ({"student__arch": "ResNet18"}, "timm has no architecture 'ResNet18'; did you mean 'resnet18'?"),
        ({"student__arch": "vgg11", "student__drop_path_rate": 0.1}, "does not take drop_path_rate; set"),
        (
            {"teachers__one__network__arch": "vit_tiny_patch16_224"},
            "teachers.one.network: vit_tiny",
        ),
        ({"student__options": {"img_sise": 32}}, "does not take options.img_sise"),
    ],
)
def test_a_network_that_cannot_work_is_named_with_its_place(changes: dict[str, Any], expected: str) -> None:
    assert expected in said(**changes)


@pytest.mark.parametrize(
    ("arch", "options", "first"),
    [
        ("vgg11", {}, 8),
        ("vit_tiny_patch16_224", {"img_size": 32}, 16),
        ("vit_tiny_patch16_224", {"img_size": 32}, 24),
    ],
)
def test_small_images_first_are_tried_at_every_side(arch: str, options: dict[str, Any], first: int) -> None:
    resizing = {"first_side": first, "full_after": 0.5}
    line = said(student__arch=arch, student__options=options, distill__resizing=resizing)
    assert line.startswith(
        f"distill.resizing.first_side: {arch} cannot train at {first} pixels, on the way from"
    )
    assert line.endswith("raise first_side, or set first_side: null and full_after: 0.0")


def test_the_sides_on_the_way_are_those_of_training() -> None:
    grown = protocol(prepare__side=64, distill__resizing={"first_side": 30, "full_after": 0.8})
    assert student_sides(grown) == [32, 40, 48, 56]
    assert student_sides(protocol()) == []


def test_a_head_that_timm_does_not_name_is_refused() -> None:
    network = Network("test_resnet", RANDOM, 0.0, 0.0)
    rehearsal.check_head(network, 32, 3)
    bare = Network("test_resnet", RANDOM, 0.0, 0.0)
    assert "timm names no classifier" in refused(rehearsal.check_head, bare, 32, 0)


def test_bytes_of_a_step_are_those_that_autograd_keeps_of_real_tensors() -> None:
    settings, held = Network("test_resnet", RANDOM, 0.0, 0.0), {}
    network = create(settings, 3, {"pretrained": False}).train()
    own = {parameter.data_ptr() for parameter in network.parameters()}
    alive = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.rand(4, 3, 32, 32))
    weights = sum(parameter.nbytes for parameter in network.parameters())
    expected = 4 * weights + sum(size for place, size in held.items() if place not in own)
    assert rehearsal.step_bytes(settings, 32, 3, 4) == pytest.approx(expected, rel=0.02)
    fixed = rehearsal.step_bytes(settings, 32, 3, 2)
    twice = rehearsal.step_bytes(settings, 32, 3, 4) - fixed
    assert rehearsal.step_bytes(settings, 32, 3, 8) - fixed == pytest.approx(3 * twice, rel=0.01)


def test_seconds_are_counted_from_images_epochs_and_views() -> None:
    params = protocol()
    counted = Counted(labelled=1000, unlabelled=0, classes=3, prepared=True)
    names = list(params.teachers)
    paces = {name: Pace(0.5, 0.25) for name in names}
    found = seconds(params, counted, paces, Pace(2.0, 1.0), {"base": 0.0, "vsm": 0.0})
    trained = 1000 * params.split.train_percent / 100 * (1 - params.split.val_percent / 100)  # type: ignore[operator]
    stored = len(params.cache.blocks) * params.cache.views_per_block
    assert found["student"] == pytest.approx(2.0 * trained * params.distill.recipe.epochs)
    assert found["teachers"] == pytest.approx(
        sum(0.5 * trained * one.recipe.epochs for one in params.teachers.values())
    )
    assert found["their answers"] == pytest.approx(0.25 * len(names) * trained * stored)


def test_the_estimate_names_time_parts_and_memory(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    time, memory = (str(finding) for finding in estimate(protocol()))
    assert time.startswith("ok       time: about ")
    assert all(f"{name} " in time for name in ("teachers", "their answers", "student", "tests"))
    assert memory.startswith("ok       memory: a step of ")
    own = protocol(
        dataset={**TINY["dataset"], "source": "folder", "location": "x", "scenes": None, "name": "mine"}
    )
    assert images_known(own) is None
    assert "not known; dvc repro prepare" in str(next(iter(estimate(own))))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, "1 s"),
        (59, "59 s"),
        (1500, "25 min"),
        (22_800, "6 h 20 min"),
        (7200, "2 h"),
        (273_600, "3 d 4 h"),
    ],
)
def test_seconds_in_words(value: float, expected: str) -> None:
    assert in_words(value) == expected
