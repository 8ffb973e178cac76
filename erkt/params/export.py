"""What is asked of an exported student."""

from dataclasses import dataclass
from typing import Annotated

from erkt.params.schema import Between


@dataclass(frozen=True)
class Export:
    """``sure_accuracy``: predictions that are not called unsure shall be right in so many percent.

    The probability below which they are is fitted on the validation part.
    """

    sure_accuracy: Annotated[float, Between(0, 100, above=True)]
