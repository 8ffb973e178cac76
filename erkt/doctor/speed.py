"""Which precision trains the student faster on this device, measured on a few small steps."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from erkt.doctor.findings import Finding, note, ok

_IMAGES, _ROUNDS = 8, 3
_WORTH = 1.2  # a gain below this is no reason to leave float32


@dataclass(frozen=True)
class Steps:
    """Seconds of a student's forward and backward pass, in float32 and in bfloat16, on the device ``device``."""

    device: str
    fp32: float
    bf16: float


def look(arch: str, side: int, device: str) -> Steps:
    """Measure ``arch`` with random weights on images of ``side`` pixels; both precisions in turns."""
    import timm
    import torch

    from erkt.timing import in_turns

    network = timm.create_model(arch.partition(".")[0], num_classes=10).train()
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own stub
    images = torch.rand(_IMAGES, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)

    def step(*, half: bool) -> Callable[[], None]:
        def run() -> None:
            with torch.autocast(device, torch.bfloat16, enabled=half):
                loss = network(images).float().square().mean()
            network.zero_grad()
            loss.backward()
            if device == "cuda":
                torch.cuda.synchronize()

        return run

    seconds = in_turns({"fp32": step(half=False), "bf16": step(half=True)}, _ROUNDS)
    return Steps(device, *(statistics.median(seconds[name]) for name in ("fp32", "bf16")))


def findings(steps: Steps, precision: str) -> Iterator[Finding]:
    """Yield a note if the other precision than the student's is much faster."""
    gain = steps.fp32 / steps.bf16
    said = f"speed: a step of the student in bf16 takes {1 / gain:.2f} times as long as in fp32 on {steps.device}"
    if precision == "fp32" and gain > _WORTH:
        yield note(said, "distill.recipe.precision: bf16, if its OA on the validation part is no worse")
    elif precision == "bf16" and gain < 1 / _WORTH:
        yield note(said, "distill.recipe.precision: fp32")
    else:
        yield ok(said)
