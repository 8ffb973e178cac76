"""What bounds a step: the device's measured matrix rate and bandwidth beside the step's own work; its calls.

A step cannot be faster than its operations at the rate of matrix products, nor than its bytes at the rate of
a copy. Operations are those of convolutions and matrix products, forward and backward, as torch counts them.
Bytes are what operators read and write when each runs alone, caches not considered.
"""

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import paper
from benchmarks.day.sizes import Sizes
from benchmarks.training import bare_step, epochs, times
from erkt.teachers.reader import CachedTeachers

_STEPS = {"cpu": 5, "cuda": 40}  # of an epoch, whose start a step on a GPU would feel
_WARM = 3
_TRACED = {
    "launches": ("LaunchKernel", "GraphLaunch"),
    "copies": ("Memcpy", "Memset"),
    "waits": ("Synchronize",),
}
"""What a trace counts, by parts of the names of the driver's calls."""


def of_device(device: torch.device, sizes: Sizes) -> dict[str, float]:
    """Return 10^12 operations a second of matrix products by precision, and 10^9 bytes a second of copies."""
    side, found = sizes.matrix, {}
    for name, dtype, tf32 in (
        ("bf16", torch.bfloat16, False),
        ("tf32", torch.float32, True),
        ("fp32", torch.float32, False),
    ):
        one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = tf32
        try:
            seconds = _seconds(partial(torch.mm, one, other), device, sizes.repeats)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before
        found[f"matrix_tflops_{name}"] = 2 * side**3 / seconds / 1e12
    # Not zeros, which some memory moves faster.
    source = torch.randint(256, (sizes.copied,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = _seconds(partial(target.copy_, source), device, sizes.repeats)
    return found | {"copied_gb_a_second": 2 * sizes.copied / seconds / 1e9}


def of_steps(device: torch.device, side: int, rates: dict[str, float]) -> list[dict[str, Any]]:
    """Return for the student's bare step, and for the step from the cache, its work, calls and bounds."""
    steps = _STEPS[device.type]
    data = paper.data(paper.images(steps * paper.BATCH, side), device)
    bare, cached = (paper.network(paper.STUDENT, side, device) for _ in range(2))
    block = torch.zeros(len(data.subset), len(paper.CLASSES), dtype=torch.float16).numpy()
    teachers = CachedTeachers([{0: block}] * len(paper.TEACHERS), [0.3, 0.3, 0.4], "logits")
    batch = data.batch(data.view(0), data.in_order(0)[0])
    calls = {
        "bare": partial(times, steps, bare_step(bare, batch)),
        "cached": epochs(cached, data, teachers),
    }
    found = []
    for name, call in calls.items():
        seconds = _seconds(call, device, 3) / steps
        work = _counted(call) | _traced(call, device)
        each: dict[str, Any] = {key: round(value / steps, 1) for key, value in work.items()}
        products = each["operations"] / rates["matrix_tflops_fp32"] / 1e12
        moved = each["bytes"] / rates["copied_gb_a_second"] / 1e9
        each |= {"seconds": seconds, "seconds_of_products": products, "seconds_of_copies": moved}
        found.append({"step": name, "side": side, "batch": paper.BATCH, "network": paper.STUDENT, **each})
    return found


def _seconds(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the mean time of a call, after some that do not count."""
    for _ in range(_WARM):
        call()
    _wait(device)
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    _wait(device)
    return (time.perf_counter() - started) / repeats


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _counted(call: Callable[[], object]) -> dict[str, int]:
    with FlopCounterMode(display=False) as operations, _Calls() as calls:
        call()
    return {"operations": operations.get_total_flops(), "operators": calls.operators, "bytes": calls.bytes}


class _Calls(TorchDispatchMode):
    """Counts operators that make or change values, and the bytes of the tensors that they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.operators, self.bytes = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if not getattr(func, "is_view", False):
            self.operators += 1
            held = [leaf for leaf in tree_leaves((args, kwargs, made)) if isinstance(leaf, Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in held)
        return made


def _traced(call: Callable[[], object], device: torch.device) -> dict[str, int]:
    """Return what ``call`` asks of the driver, of a GPU alone."""
    if device.type != "cuda":
        return {}
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as traced:
        call()
    asked = Counter({event.key: event.count for event in traced.key_averages() if event.key.startswith("cu")})
    return {
        kind: sum(count for key, count in asked.items() if any(part in key for part in parts))
        for kind, parts in _TRACED.items()
    }
