"""Where and how fast things run; no stage declares this section, since it changes rounding at most."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.schema import Between


@dataclass(frozen=True)
class Runtime:
    """``device: auto`` takes a GPU if there is one; ``threads: null`` leaves the choice to torch."""

    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Between(1)] | None
    inference_batch: Annotated[int, Between(2)]
