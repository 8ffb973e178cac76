"""Small images first: how the side of the student's images grows. Off is the paper's recipe."""

from dataclasses import dataclass
from typing import Annotated

from erkt.errors import ErktError
from erkt.params.schema import Between


@dataclass(frozen=True)
class Resizing:
    """``first_side``: the side in pixels at which the student's images start, null for the full one.

    It grows linearly, in steps of 8 pixels, until the share ``full_after`` of all epochs is over.
    """

    first_side: Annotated[int, Between(8)] | None
    full_after: Annotated[float, Between(0, 1)]

    def __post_init__(self) -> None:
        if (self.first_side is None) != (self.full_after == 0):
            raise ErktError(
                "first_side and full_after belong together: a side and a share above 0, or null and 0.0"
            )


OFF = Resizing(first_side=None, full_after=0.0)
