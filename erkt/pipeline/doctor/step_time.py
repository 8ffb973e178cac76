"""Which precision and how many threads train the student faster on this device, measured on a few small steps."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from erkt.pipeline.doctor.findings import Finding, note, ok

_IMAGES, _ROUNDS = 30, 3
_WORTH = 1.2  # a gain below this is no reason to leave float32
_FASTER = 1.05


@dataclass(frozen=True)
class Steps:
    """Seconds of a student's forward and backward pass on the device ``device``.

    In float32 and in bfloat16 with ``threads`` threads, and in float32 with one; None on a GPU and for one thread.
    """

    device: str
    threads: int
    fp32: float
    bf16: float
    one_thread: float | None


def look(arch: str, side: int, device: str) -> Steps:
    """Measure ``arch`` with random weights on images of ``side`` pixels, all variants in turns."""
    import timm
    import torch

    from erkt.evaluation.timing import in_turns
    from erkt.views.threads import one_thread

    network = timm.create_model(arch.partition(".")[0], num_classes=10).train()
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own stub
    images = torch.rand(_IMAGES, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
    threads = torch.get_num_threads()

    def step(*, half: bool = False, alone: bool = False) -> Callable[[], None]:
        def run() -> None:
            with one_thread() if alone else nullcontext():
                with torch.autocast(device, torch.bfloat16, enabled=half):
                    loss = network(images).float().square().mean()
                network.zero_grad()
                loss.backward()
            if device == "cuda":
                torch.cuda.synchronize()

        return run

    calls = {"fp32": step(), "bf16": step(half=True)}
    if device == "cpu" and threads > 1:
        calls["one"] = step(alone=True)
    seconds = {name: statistics.median(each) for name, each in in_turns(calls, _ROUNDS).items()}
    return Steps(device, threads, seconds["fp32"], seconds["bf16"], seconds.get("one"))


def findings(steps: Steps, precision: str) -> Iterator[Finding]:
    """Yield a note if the other precision than the student's, or one thread, is faster."""
    gain = steps.fp32 / steps.bf16
    said = f"speed: a step of the student in bf16 takes {1 / gain:.2f} times as long as in fp32 on {steps.device}"
    if precision == "fp32" and gain > _WORTH:
        yield note(said, "distill.recipe.precision: bf16, if its OA on the validation part is no worse")
    elif precision == "bf16" and gain < 1 / _WORTH:
        yield note(said, "distill.recipe.precision: fp32")
    else:
        yield ok(said)
    if steps.one_thread is not None and steps.fp32 > _FASTER * steps.one_thread:
        yield note(
            f"speed: {steps.threads} threads take {steps.fp32 / steps.one_thread:.2f} times as long as one",
            "runtime.threads: 1; the other cores can work on another seed in a second clone",
        )
