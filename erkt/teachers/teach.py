"""What a batch's teacher is to whoever trains or measures: a function from the batch to logits."""

from collections.abc import Callable

from torch import Tensor

from erkt.views.batches import Batch

Teach = Callable[[Batch], Tensor]
"""Maps a batch to the ensemble's logits (B, C), float32, on the batch's device."""
