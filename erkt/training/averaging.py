"""An exponential average of the weights, after B. T. Polyak and A. B. Juditsky, 1992."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class Average(AveragedModel):
    """torch's average of parameters and statistics, of which each update keeps the share ``kept`` at most.

    Update n keeps ``min(kept, (1 + n) / (10 + n))``, as TensorFlow's ExponentialMovingAverage does with a
    number of updates: else much of the first step's weights would stay in a short training. Whole numbers are
    those of the last step. torch's own update waits for a GPU twice a step.
    """

    def __init__(self, model: nn.Module, kept: float) -> None:
        super().__init__(model, use_buffers=True)
        self._kept = kept

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take in the weights of ``model`` after a step; the first ones are copied."""
        if self.n_averaged == 0:  # a number on the CPU, wherever the weights are
            super().update_parameters(model)
            return
        done = int(self.n_averaged)
        kept = min(self._kept, (1 + done) / (10 + done))
        pairs = list(zip(_tensors(self.module), _tensors(model), strict=True))
        for dtype in {own.dtype for own, _ in pairs}:
            own, new = map(list, zip(*(pair for pair in pairs if pair[0].dtype == dtype), strict=True))
            if dtype.is_floating_point:
                torch._foreach_lerp_(own, new, 1 - kept)
            else:
                torch._foreach_copy_(own, new)
        self.n_averaged += 1


def average_of(model: nn.Module, kept: float) -> Average | None:
    """Return an average of the weights and statistics of ``model``, to be updated after each step.

    ``kept``, in [0, 1), is what it keeps of itself at each update, at most; None is returned for 0.
    """
    return Average(model, kept) if kept else None


def _tensors(model: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]
