import sys
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from made import RUNTIME
from test_recompute import data, network

from erkt.errors import ErktError
from erkt.machine.device import choose
from erkt.networks.onnx_teacher import OnnxTeacher
from erkt.teachers.writer import block_logits


@pytest.mark.parametrize("arch", ["test_efficientnet", "test_resnet", "test_byobnet"])
def test_logits_are_cached_as_torch_caches_them_up_to_rounding(arch: str) -> None:
    teacher = network(arch).train()
    with torch.no_grad():
        for _ in range(20):
            teacher(data().batch(data().view(0), data().in_order(0)[0]).images)
        list(teacher.network.parameters())[-2].mul_(100)  # the head
    expected = block_logits(teacher, data(), [0, 1]).astype(np.float32)
    found = block_logits(OnnxTeacher(teacher), data(), [0, 1]).astype(np.float32)
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, rtol=2**-10, atol=1e-4 * expected.std())


def test_without_the_runtime_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ErktError, match=r"pip install '\.\[onnx\]', or set caching: eager"):
        OnnxTeacher(network("test_resnet"))


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_it_is_refused_on_a_gpu(device: Literal["auto", "cuda"], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ErktError, match=r"runtime\.caching: onnx runs on the CPU"):
        choose(replace(RUNTIME, device=device, caching="onnx"))
