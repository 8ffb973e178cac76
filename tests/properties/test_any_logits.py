"""Losses: finite with finite gradients for any logits up to 1e4, whatever the settings and the labels."""

from typing import Any

import numpy as np
import pytest
import torch
from any_params import blocks
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from erkt.data.index import NO_LABEL
from erkt.losses.objective import Objective
from erkt.params.loss import Loss
from erkt.params.schema import as_dict, build

LARGEST = 1e4
TYPES = [torch.float32, torch.bfloat16, torch.float64]
SPECIAL = [0.0, -0.0, LARGEST, -LARGEST, 1e-30, 1.0]


def one(settings: dict[str, Any]) -> Loss:
    return build(Loss, settings, "loss")


@st.composite
def logits(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Draw the student's and the teacher's logits (B, C), which may be equal, constant or far apart."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(2, 6)))
    elements = st.floats(-LARGEST, LARGEST, width=32) | st.sampled_from(SPECIAL)
    student = draw(hnp.arrays(np.float32, shape, elements=elements))
    teacher = draw(hnp.arrays(np.float32, shape, elements=elements) | st.just(student.copy()))
    kinds = draw(st.tuples(st.sampled_from(TYPES), st.sampled_from(TYPES)))
    return torch.from_numpy(student).to(kinds[0]), torch.from_numpy(teacher).to(kinds[1])


@pytest.mark.parametrize("loss", ["dist", "kd", "dkd", "multi_level", "none"])
@given(both=logits(), settings=blocks(Loss).map(one), data=st.data())
def test_losses_and_gradients_are_finite(
    loss: str, both: tuple[Tensor, Tensor], settings: Loss, data: st.DataObject
) -> None:
    student, teacher = both
    count, classes = student.shape
    lowest = 0 if loss == "dkd" else NO_LABEL  # it is refused for images without a label
    labels = [data.draw(hnp.arrays(np.int64, count, elements=st.integers(lowest, classes - 1))) for _ in "ab"]
    alpha = torch.from_numpy(data.draw(hnp.arrays(np.float32, count, elements=st.floats(0, 1, width=32))))
    objective = Objective(one(as_dict(settings) | {"loss": loss}))
    student.requires_grad_()
    found = objective(student, teacher, *map(torch.from_numpy, labels), alpha, data.draw(st.integers(0, 9)))
    found["loss"].backward()
    assert student.grad is not None
    assert {name: bool(torch.isfinite(part)) for name, part in found.items()} == dict.fromkeys(found, True)
    assert torch.isfinite(student.grad).all()
