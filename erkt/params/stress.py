"""How much of the test part is corrupted."""

from dataclasses import dataclass
from typing import Annotated

from erkt.params.schema import Between


@dataclass(frozen=True)
class Stress:
    """``images_per_class``: the first ones of each class of the test list, fewer where there are fewer."""

    images_per_class: Annotated[int, Between(1)]
