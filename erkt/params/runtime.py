"""Where and how fast things run; no stage declares this section, since it changes rounding at most."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.errors import ErktError
from erkt.params.schema import Between

Place = Literal["auto", "device", "host"]


@dataclass(frozen=True)
class Runtime:
    """``device: auto`` takes a GPU if there is one; ``threads: null`` leaves the choice to torch.

    ``inference_batch`` is even, since CutMix pairs stay together. Training and caching keep a checkpoint
    every ``checkpoint_seconds``; 0 keeps one after every step. ``recompute: true`` trains in about half the
    memory and more time, with the same bits. ``caching: onnx`` caches the teachers' logits by ONNX Runtime,
    on a CPU. The last four are for a GPU alone: ``images`` says where training images lie (``auto``: on the
    device, if half of its free memory holds them), ``deterministic`` whether kernels must repeat their bits
    (else cuDNN chooses the fastest by trying them), ``fused_views: true`` makes views by Triton kernels, and
    ``graphs: true`` launches a training step as a whole, where one process trains a network.
    """

    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Between(1)] | None
    inference_batch: Annotated[int, Between(2)]
    checkpoint_seconds: Annotated[float, Between(0)]
    recompute: bool
    caching: Literal["eager", "onnx"]
    images: Place
    deterministic: bool
    fused_views: bool
    graphs: bool

    def __post_init__(self) -> None:
        if self.inference_batch % 2:
            raise ErktError(
                f"inference_batch must be even, since pairs stay together, found {self.inference_batch}"
            )
        if self.recompute and self.graphs:
            raise ErktError("recompute and graphs do not go together; set one of them to false")
