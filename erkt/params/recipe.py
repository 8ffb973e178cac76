"""How a network is trained: AdamW with a cosine schedule, the paper's for the student (section 3.5)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.errors import ErktError
from erkt.params.schema import Between

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Recipe:
    """``batch_size`` is even, since CutMix pairs stay together, and at least 4: no batch has one image alone.

    The rate rises linearly over ``warmup_epochs`` and then falls to 0 along half a cosine, step by step.
    ``clip_norm`` is the length that a gradient may have (R. Pascanu et al., ICML 2013); null leaves it as it
    is. ``precision: bf16`` runs the forward pass under autocast; losses and weights stay float32. The pairs
    of each batch are dealt to so many ``processes``, each on a GPU of its own where there are GPUs.
    """

    epochs: Annotated[int, Between(1)]
    batch_size: Annotated[int, Between(4)]
    learning_rate: Annotated[float, Between(0, above=True)]
    weight_decay: Annotated[float, Between(0)]
    warmup_epochs: Annotated[int, Between(0)]
    clip_norm: Annotated[float, Between(0, above=True)] | None
    precision: Precision
    processes: Annotated[int, Between(1)]

    def __post_init__(self) -> None:
        if self.batch_size % 2:
            raise ErktError(
                f"batch_size must be even, since CutMix pairs stay together, found {self.batch_size}"
            )
        if self.processes > self.batch_size // 2:
            raise ErktError(
                f"processes is {self.processes}, but a batch of {self.batch_size} has only "
                f"{self.batch_size // 2} pairs of images, and each process needs one"
            )
        if self.warmup_epochs >= self.epochs:
            raise ErktError(f"warmup_epochs ({self.warmup_epochs}) must be fewer than epochs ({self.epochs})")
