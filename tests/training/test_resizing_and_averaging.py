from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made import RECIPE, Interrupting, batches, classifier, keeper
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as F
from views_settings import sample_images

from erkt.inflight.checkpoints import Checkpoints
from erkt.inflight.stopping import Stopped
from erkt.losses.supervised import Supervised
from erkt.networks.models import Classifier
from erkt.params.resizing import OFF, Resizing
from erkt.training.averaging import average_of
from erkt.training.engine import fit
from erkt.training.resizing import shrunk, side_at

SMALL_FIRST: dict[str, Any] = {"resizing": Resizing(first_side=8, full_after=0.75)}
AVERAGED: dict[str, Any] = {"averaging": 0.7}


def trained(
    option: dict[str, Any],
    checkpoints: Checkpoints | None = None,
    model: Classifier | None = None,
    validate: Callable[[], dict[str, float]] = dict,
) -> dict[str, Tensor]:
    """Train for four epochs of four steps; return the weights."""
    model, recipe = model or classifier(), replace(RECIPE, epochs=4)
    kept = checkpoints or Checkpoints()
    options = {"recipe": recipe, "seed": 3, "checkpoints": kept, "validate": validate} | option
    list(fit(model, batches(), Supervised(), **options))
    return model.state_dict()


def test_the_side_grows_by_eights_until_its_share_of_the_epochs() -> None:
    resizing = Resizing(first_side=32, full_after=0.5)
    assert [side_at(resizing, 64, progress / 8) for progress in range(8)] == [32, 40, 48, 56, 64, 64, 64, 64]
    assert side_at(OFF, 64, 0.0) == 64
    assert side_at(replace(resizing, first_side=36), 64, 0.0) == 36, "it never shrinks below where it starts"


def test_small_images_are_torchvisions_and_full_ones_untouched() -> None:
    images = sample_images(5, 64) / 255
    expected = F.resize(images, [40, 40], F.InterpolationMode.BILINEAR, antialias=True)
    assert torch.equal(shrunk(images, 40), expected)
    assert shrunk(images, 64) is images


def test_the_student_sees_small_images_first() -> None:
    model, seen = classifier(), []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
    trained(SMALL_FIRST, model=model)
    assert seen == [8] * 6 + [16] * 10  # half way between 8 and 16 is after 6 steps


def test_the_result_and_what_is_validated_last_is_the_average_of_the_weights_after_each_step() -> None:
    """Against the recursion written out on what an ordinary run has after each step."""
    steps: list[dict[str, Tensor]] = []

    class Recording(Checkpoints):
        def after_step(self, make: object) -> None:
            steps.append({name: tensor.clone() for name, tensor in model.state_dict().items()})

    model = classifier()
    trained({}, Recording(), model)
    average = {name: tensor.double() for name, tensor in steps[0].items()}
    for done, step in enumerate(steps[1:], start=1):
        kept = min(0.7, (1 + done) / (10 + done))
        average = {name: kept * average[name] + (1 - kept) * step[name].double() for name in step}
    model, seen = classifier(), []
    found = trained(AVERAGED, None, model, lambda: seen.append(model.network.head.weight.clone()) or {})
    for name, tensor in found.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor.double(), average[name], rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(tensor, steps[-1][name])
    assert not torch.equal(found["network.head.weight"], steps[-1]["network.head.weight"])
    assert torch.equal(found["network.head.weight"], seen[-1])


def test_however_long_an_average_is_the_first_weights_fade_in_a_short_training() -> None:
    """Of the first of 200 steps, 0.9999 ** 199 would keep 98 %."""
    model = nn.Linear(1, 1, bias=False)
    averaged = average_of(model, 0.9999)
    assert averaged is not None
    for step in range(200):
        nn.init.constant_(model.weight, float(step == 0))
        averaged.update_parameters(model)
    assert averaged.module.weight.item() < 1e-4


@pytest.mark.parametrize("option", [SMALL_FIRST, AVERAGED])
@pytest.mark.parametrize("steps", [1, 7, 16])
def test_an_interruption_changes_no_bit(option: dict[str, Any], steps: int, tmp_path: Path) -> None:
    whole = trained(option)
    with pytest.raises(Stopped):
        trained(option, Interrupting(tmp_path, steps))
    resumed = trained(option, keeper(tmp_path, seconds=1e9))
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())
