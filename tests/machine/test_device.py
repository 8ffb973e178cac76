"""How torch is set up for a device, and that a record says so."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from made import RUNTIME

from erkt.machine import device


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what is set for the whole process; freed memory is another test's business."""
    kept = [
        (torch.backends.cuda.matmul, "allow_tf32"),
        (torch.utils.deterministic, "fill_uninitialized_memory"),
    ]
    kept += [(torch.backends.cudnn, name) for name in ("allow_tf32", "benchmark", "deterministic")]
    before = [(owner, name, getattr(owner, name)) for owner, name in kept]
    monkeypatch.setattr(device, "keep_freed_memory", lambda: True)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    yield
    for owner, name, value in before:
        setattr(owner, name, value)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is there by name alone."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "H200")


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_gpu_has_float32_products_and_kernels_that_repeat_their_bits_or_are_fast(
    deterministic: bool,
) -> None:
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    assert device.choose(replace(RUNTIME, deterministic=deterministic)).type == "cuda"
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.deterministic == deterministic
    assert torch.backends.cudnn.benchmark != deterministic
    assert torch.are_deterministic_algorithms_enabled() == deterministic
    assert torch.is_deterministic_algorithms_warn_only_enabled() == deterministic
    assert not deterministic or not torch.utils.deterministic.fill_uninitialized_memory
    assert (device.os.environ.get("CUBLAS_WORKSPACE_CONFIG") == ":4096:8") == deterministic
    assert device.in_force() == {
        "threads": torch.get_num_threads(),
        "gpu": "H200",
        "tf32": False,
        "cudnn_benchmark": not deterministic,
        "deterministic": deterministic,
    }
    assert device.described(torch.device("cuda")) == "cuda (H200)"


def test_a_cpu_keeps_its_kernels() -> None:
    """torch's deterministic mode takes other ones for some operations, with other bits."""
    assert device.choose(replace(RUNTIME, device="cpu")).type == "cpu"
    assert not torch.are_deterministic_algorithms_enabled()
    assert device.described(torch.device("cpu")) == "cpu"


def test_what_is_sent_to_a_cpu_stays_in_its_memory() -> None:
    values = np.arange(6)
    sent = device.send(values, torch.device("cpu"))
    values[0] = 7
    assert sent[0] == 7
    assert device.send(values, torch.device("meta")).device.type == "meta"
