"""Whether losses are finite: a GPU's are looked at only so often, since a look waits for it."""

import math

import torch
from torch import Tensor

from erkt.errors import ErktError
from erkt.machine.device import on_host

LOOK_EVERY = 50
"""Steps from one look at a GPU's losses to the next; on a CPU there is a look at each step."""


class FiniteLosses:
    """The losses since the last look, each with its epoch and step, both counted from 0."""

    def __init__(self, device: torch.device) -> None:
        self._every = 1 if on_host(device) else LOOK_EVERY
        self._waiting: list[tuple[Tensor, int, int]] = []

    def add(self, loss: Tensor, epoch: int, step: int) -> None:
        """Note a step's loss, a scalar; look if it is time to."""
        self._waiting.append((loss.detach(), epoch, step))
        if len(self._waiting) >= self._every:
            self.look()

    def look(self) -> None:
        """Raise ErktError naming the first of the losses that is not finite, and forget them if all are."""
        if not self._waiting:
            return
        values = torch.stack([loss for loss, _, _ in self._waiting]).tolist()
        for value, (_, epoch, step) in zip(values, self._waiting, strict=True):
            if not math.isfinite(value):
                raise ErktError(
                    f"the loss is {value} at epoch {epoch + 1}, step {step + 1}; lower recipe.learning_rate"
                )
        self._waiting.clear()
