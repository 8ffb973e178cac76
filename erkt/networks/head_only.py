"""A network of which the classifier alone is trained, on features that stay as they are (linear probing).

G. Alain and Y. Bengio, "Understanding intermediate layers using linear classifier probes", 2016,
arXiv:1610.01644; the usual first use of a foundation model.
"""

from typing import Self

from torch import nn

from erkt.errors import ErktError
from erkt.networks.models import Classifier


class HeadOnly(Classifier):
    """``model`` with a frozen backbone: all of it but timm's own classifier, as ``get_classifier`` names it.

    No gradient is computed in the backbone, and it stays in evaluation mode, so that neither the statistics
    of batch normalisation nor dropout change what it makes of an image. Its network is that of ``model``, and
    is saved in the same way. Raises ErktError if timm names no classifier with weights.
    """

    def __init__(self, model: Classifier) -> None:
        super().__init__(model.network, model.card)
        named = model.network.get_classifier()  # type: ignore[operator]  # timm's, on each network
        # A plain attribute, since they are modules of the network already; distilled networks have two.
        self._heads: tuple[nn.Module, ...] = named if isinstance(named, tuple) else (named,)
        if not any(True for head in self._heads for _ in head.parameters()):
            raise ErktError(f"{model.card.arch}: timm names no classifier of it; set train: all")
        self.requires_grad_(False)
        for head in self._heads:
            head.requires_grad_(True)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the classifier; the backbone stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        for head in self._heads:
            head.train(mode)
        return self
