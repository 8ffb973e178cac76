"""What distilling costs, from params alone."""

from typing import Any

import pytest
from closure import ROOT

from erkt.files.yaml_file import read_yaml
from erkt.networks import macs
from erkt.pipeline.experiments.measured import distill_cost

TEACHERS = ["lite0", "lite1", "lite2"]


@pytest.fixture
def params() -> dict[str, Any]:
    return read_yaml(ROOT / "presets/aid100-64.yaml")


def at(side: int) -> int:
    return macs.count("tf_efficientnet_lite0", 30, side)[0]


def test_each_epoch_costs_three_passes_of_the_student_and_each_view_one_of_each_teacher(
    params: dict[str, Any],
) -> None:
    teachers = sum(macs.count(f"tf_efficientnet_{name}", 30, 64)[0] for name in TEACHERS)
    assert distill_cost(params, TEACHERS, 30) == 60 * 3 * at(64) + 60 * teachers
    params["cache"]["views_per_block"] = 5
    assert distill_cost(params, TEACHERS, 30) == 60 * 3 * at(64) + 5 * teachers
    params["cache"]["blocks"] = []  # online: a pass an epoch
    assert distill_cost(params, TEACHERS[:1], 30) == 60 * 4 * at(64)
    params["distill"]["loss"] = "none"
    assert distill_cost(params, TEACHERS, 30) == 60 * 3 * at(64)


def test_small_images_cost_what_they_have_pixels(params: dict[str, Any]) -> None:
    params["distill"]["loss"] = "none"
    params["distill"]["recipe"]["epochs"] = 4
    params["distill"]["resizing"] = {"first_side": 32, "full_after": 1.0}
    # 32 and 64 pixels have half a step's share each, as rounding goes: 0.5 epochs, and 1 for each size
    # between.
    each = 0.5 * at(32) + at(40) + at(48) + at(56) + 0.5 * at(64)
    assert distill_cost(params, [], 30) == pytest.approx(3 * each, rel=1e-9)
    assert at(32) < at(64) / 3
