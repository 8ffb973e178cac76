"""An exponential average of the weights, as torch has it, after B. T. Polyak and A. B. Juditsky, 1992."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class Average(AveragedModel):
    """torch's average of parameters and statistics, of which each update keeps the share ``kept``.

    The same numbers as with torch's own update, which on a GPU waits for it twice a step and launches four
    kernels for each whole number.
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
        pairs = list(zip(_tensors(self.module), _tensors(model), strict=True))
        for dtype in {own.dtype for own, _ in pairs}:
            own, new = map(list, zip(*(pair for pair in pairs if pair[0].dtype == dtype), strict=True))
            if dtype.is_floating_point:
                torch._foreach_lerp_(own, new, 1 - self._kept)
            else:
                _average_numbers(own, new, self._kept)
        self.n_averaged += 1


def average_of(model: nn.Module, kept: float) -> Average | None:
    """Return an average of the weights and statistics of ``model``, to be updated after each step.

    ``kept``, in [0, 1), is what it keeps of itself at each update; None is returned for 0.
    """
    return Average(model, kept) if kept else None


def _tensors(model: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]


def _average_numbers(own: list[Tensor], new: list[Tensor], kept: float) -> None:
    """Average whole numbers, all in one go; what results is cut off behind the point."""
    flat = torch.cat([tensor.flatten() for tensor in own]) * kept
    flat = flat + torch.cat([tensor.flatten() for tensor in new]) * (1 - kept)
    parts = torch.split(flat.to(own[0].dtype), [tensor.numel() for tensor in own])
    for tensor, part in zip(own, parts, strict=True):
        tensor.copy_(part.view_as(tensor))
