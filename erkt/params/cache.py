"""Which views have their teacher logits stored, and how precise the teachers are on views."""

from dataclasses import dataclass
from typing import Annotated

from erkt.params.recipe import Precision
from erkt.params.schema import Between, Length


@dataclass(frozen=True)
class Cache:
    """Block b holds ``views_per_block`` views from b * views_per_block on; no blocks: teachers run online.

    ``precision`` is that of the teachers' products on views, stored or online; where teachers are tested they
    have float32.
    """

    blocks: Annotated[tuple[Annotated[int, Between(0)], ...], Length(0, distinct=True)]
    views_per_block: Annotated[int, Between(1)]
    precision: Precision

    @property
    def views(self) -> tuple[int, ...]:
        """The numbers of the stored views, ascending: K of them."""
        per = self.views_per_block
        return tuple(view for block in sorted(self.blocks) for view in range(block * per, (block + 1) * per))

    def per_block(self, epochs: int) -> int:
        """Return how many views a block has; with online teachers the views of all ``epochs`` are one."""
        return self.views_per_block if self.blocks else epochs
