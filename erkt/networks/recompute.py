"""Training in less memory: activations are forgotten and computed again when the backward pass needs them.

T. Chen, B. Xu, C. Zhang and C. Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016,
arXiv:1604.06174, as torch and timm have it, one block of a network at a time. Gradients keep their bits.
What would not is batch normalisation: a second forward pass would count each batch twice in the running
statistics.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from erkt.errors import ErktError
from erkt.networks.models import Classifier


def forget_activations(model: Classifier) -> None:
    """Make ``model`` keep the input of each block instead of all activations, from the next forward pass on.

    Raises ErktError if timm cannot do so for its architecture.
    """
    try:
        model.network.set_grad_checkpointing(enable=True)  # type: ignore[operator]  # timm's, where it has it
    except (AttributeError, AssertionError):
        raise ErktError(
            f"timm cannot compute the activations of {model.card.arch} again; set runtime.recompute: false"
        ) from None
    model.forgets_activations = True


@contextmanager
def statistics_kept(model: Classifier) -> Iterator[None]:
    """Within the block a ``model`` that forgets its activations leaves running statistics as they are.

    For the backward pass, which then computes the forward pass again. For other models nothing happens.
    """
    if not model.forgets_activations:
        yield
        return
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    norms = [module for module in model.modules() if isinstance(module, kinds)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm, (_, count) in zip(norms, before, strict=True):
        norm.momentum = 0.0
        # Without a count nothing is counted, but torch's synchronised kind insists on one.
        insists = isinstance(norm, nn.SyncBatchNorm)
        norm.num_batches_tracked = count.clone() if insists and count is not None else None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
