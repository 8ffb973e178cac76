"""A classifier in two parts, cut at its last maps of activations, as timm's convolutional networks allow."""

import torch
from torch import Tensor, nn

from erkt.networks.models import Classifier


def maps(model: Classifier, images: Tensor) -> Tensor:
    """Return the last maps of activations (B, D, h, w) of float images (B, 3, H, W) in [0, 1]."""
    activations: Tensor = model.network.forward_features(model.seen(images))  # type: ignore[operator]
    return activations


@torch.no_grad()
def has_maps(model: Classifier, images: Tensor) -> bool:
    """Return whether ``maps`` are maps, channels first: transformers have tokens, or channels last."""
    activations = maps(model, images)
    if not isinstance(activations, Tensor) or activations.ndim != 4:
        return False
    return activations.shape[1] == getattr(model.network, "num_features", activations.shape[1])


def pooled(model: Classifier, activations: Tensor) -> Tensor:
    """Return what the last layer sees, (B, D'), of ``maps``."""
    features: Tensor = model.network.forward_head(activations, pre_logits=True)  # type: ignore[operator]
    return features


class Tapped(nn.Module):
    """The same classifier with a place at which its last maps can be hooked, ``tap``."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model, self.tap = model, nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, C) of float images (B, 3, H, W) in [0, 1]."""
        logits: Tensor = self.model.network.forward_head(self.tap(maps(self.model, images)))  # type: ignore[operator]
        return logits
