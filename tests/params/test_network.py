"""A network's own keys, and what cannot go together with them."""

from typing import Any

import pytest
import yaml
from clone import TINY

from erkt.errors import ErktError
from erkt.params.protocol import check


def tiny() -> dict[str, Any]:
    params: dict[str, Any] = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    return params


def test_options_reach_the_network_as_they_are_written() -> None:
    params, options = tiny(), {"img_size": 224, "dynamic_img_size": True, "global_pool": "avg", "init": 0.5}
    params["student"] |= {"side": 224, "options": options}
    student = check(params, "params.yaml").student
    assert (student.side, student.options) == (224, options)
    assert [type(value) for value in student.options.values()] == [int, bool, str, float]


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ({"side": 7}, r"student\.side: 7 is out of range, expected at least 8"),
        ({"side": "224"}, r"student\.side: expected a whole number, found text"),
        ({"options": None}, r"student\.options: expected a block of names, found nothing"),
        ({"options": {"img_size": None}}, r"student\.options\.img_size: expected true, false, a number"),
        ({"options": {"img_size": [64, 64]}}, r"student\.options\.img_size: expected true, false, a number"),
        ({"options": {"num_classes": 5}}, r"'num_classes' is decided by the images, which have the classes"),
        ({"options": {"in_chans": 1}}, r"'in_chans' is decided by the images, which have three channels"),
        ({"options": {"pretrained": True}}, r"'pretrained' is decided by weights; remove it from options"),
        ({"options": {"pretrained_cfg": "x"}}, r"'pretrained_cfg' is decided by weights"),
        ({"options": {"checkpoint_path": "x.pth"}}, r"'checkpoint_path' is decided by weights"),
        ({"options": {"drop_rate": 0.1}}, r"'drop_rate' is decided by the key drop_rate beside options"),
    ],
)
def test_a_wrong_side_or_option_is_refused_in_one_line(student: dict[str, Any], message: str) -> None:
    params = tiny()
    params["student"] |= student
    with pytest.raises(ErktError, match=message) as caught:
        check(params, "params.yaml")
    assert "\n" not in str(caught.value)


def test_a_frozen_backbone_drops_nothing() -> None:
    params = tiny()
    params["teachers"]["one"]["train"] = "head"
    check(params, "params.yaml")
    params["teachers"]["one"]["network"]["drop_path_rate"] = 0.1
    with pytest.raises(ErktError, match=r"teachers\.one: train: head keeps .* set network\.drop_rate and"):
        check(params, "params.yaml")


def test_small_images_first_and_a_side_of_its_own_exclude_each_other() -> None:
    params = tiny()
    params["student"]["side"] = 48
    check(params, "params.yaml")
    params["distill"]["resizing"] = {"first_side": 16, "full_after": 0.5}
    with pytest.raises(ErktError, match=r"distill\.resizing: small images cost no less .* student\.side"):
        check(params, "params.yaml")
