"""Ways to distill for less than the paper does; all off is the paper's recipe."""

from dataclasses import dataclass
from typing import Annotated

from erkt.errors import ErktError
from erkt.params.schema import Between


@dataclass(frozen=True)
class Economy:
    """``first_side``: the side in pixels at which the student's images start, null for the full one.

    It grows linearly, in steps of 8 pixels, until the share ``grown_after`` of all epochs is over.
    ``averaging`` is what an average of the weights keeps at each step; the average is the result. With 0
    the result are the last step's weights.
    """

    first_side: Annotated[int, Between(8)] | None
    grown_after: Annotated[float, Between(0, 1)]
    averaging: Annotated[float, Between(0, 1, below=True)]

    def __post_init__(self) -> None:
        if (self.first_side is None) != (self.grown_after == 0):
            raise ErktError(
                "first_side and grown_after belong together: a side and a share above 0, or null and 0.0"
            )


OFF = Economy(first_side=None, grown_after=0.0, averaging=0.0)
