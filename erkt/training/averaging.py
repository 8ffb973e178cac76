"""An exponential average of the weights, as torch has it, after B. T. Polyak and A. B. Juditsky, 1992."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def average_of(model: nn.Module, kept: float) -> AveragedModel | None:
    """Return an average of the weights and statistics of ``model``, to be updated after each step.

    ``kept``, in [0, 1), is what it keeps of itself at each update; None is returned for 0.
    """
    if kept == 0:
        return None
    average = get_ema_multi_avg_fn(kept)  # type: ignore[no-untyped-call]  # torch's own stub
    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)
