"""Where tensors live and how many threads work on them; changes rounding at most."""

import os
import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.errors import ErktError
from erkt.machine.allocator import keep_freed_memory, return_freed_memory
from erkt.params.runtime import Runtime

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"


def choose(settings: Runtime) -> torch.device:
    """Return the device that ``settings`` name; it sets threads, a GPU's kernels, and what freed memory does.

    A GPU's float32 products are float32: TF32 would make them 10 bits wide, so that ``precision: fp32`` would
    not be. Its kernels repeat their bits as far as torch has such kernels, or they are the fastest. Freed
    memory stays with the process, which is faster; ``recompute`` wants little of it, so then it goes back to
    the system. Raises ErktError if a GPU is asked for and none is there, or one is taken with ``caching:
    onnx``.
    """
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = settings.deterministic
    torch.backends.cudnn.benchmark = not settings.deterministic
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ErktError("runtime.device: cuda, but torch sees no GPU here; set device: auto")
    gpu = settings.device != "cpu" and torch.cuda.is_available()
    if gpu and settings.caching == "onnx":
        raise ErktError("runtime.caching: onnx runs on the CPU; set caching: eager, or device: cpu")
    if gpu and settings.deterministic:
        _repeat_bits()
    if settings.recompute:
        return_freed_memory()
    else:
        keep_freed_memory()
    return torch.device("cuda" if gpu else "cpu")


def _repeat_bits() -> None:
    """Have torch take deterministic kernels on a GPU, and warn of an operation that has none."""
    os.environ.setdefault(_CUBLAS, ":4096:8")  # read when the first product of matrices is computed
    torch.use_deterministic_algorithms(True, warn_only=True)
    # A debugging aid that costs a kernel for each new tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def in_force() -> dict[str, Any]:
    """Return how torch is set up in this process, for records of runs."""
    return {
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "tf32": torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def on_host(device: torch.device) -> bool:
    """Return whether ``device`` is the CPU: nothing is sent there, and nobody waits for it."""
    return device.type == "cpu"


def free_bytes(device: torch.device) -> int:
    """Return how much of a GPU's memory is free; of other devices it is not known, and nothing is refused."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else sys.maxsize


def send(values: NDArray[np.generic], device: torch.device) -> Tensor:
    """Return ``values`` as a tensor on ``device``: on a CPU their own memory, elsewhere a copy.

    The host does not wait for the copy: it is made from memory that stays where it is (pinned).
    """
    tensor = torch.from_numpy(values)
    if device.type == "cpu":
        return tensor
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def described(device: torch.device) -> str:
    """Return the kind of ``device`` and, of a GPU, its name: what rounding depends on beside the threads."""
    return f"{device.type} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type
