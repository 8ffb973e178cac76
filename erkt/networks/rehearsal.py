"""A network run on shapes alone, before anyone trains it: at every side, and for what a step of it holds.

torch's device ``meta`` has shapes and no numbers, so that neither time nor memory is spent.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from erkt.networks import creation
from erkt.networks.head_only import HeadOnly
from erkt.networks.models import Card, Classifier
from erkt.params.network import Network

_FLOATS = 4
"""Numbers for each weight while it trains: itself, its gradient, and AdamW's two moments."""


def refused_sides(settings: Network, sides: Iterable[int], classes: int) -> Iterator[tuple[int, str]]:
    """Yield each of ``sides`` (pixels) at which the network cannot train, and why.

    Raises ErktError, as ``erkt.networks.creation`` does, for a network that cannot be made at all.
    """
    with _on_shapes(settings, classes) as network:
        for side in sides:
            try:
                network.train()(torch.empty(2, 3, side, side)).float().sum().backward()
            except Exception as error:  # noqa: BLE001  # whatever a network raises at images it does not take
                yield side, creation.first_line(error)


def check_head(settings: Network, side: int, classes: int) -> None:
    """Raise ErktError if timm names no classifier of the network that could be trained alone."""
    with _on_shapes(settings, classes) as network:
        HeadOnly(Classifier(network, Card(settings.arch, (), side, (0.0,) * 3, (1.0,) * 3, "random")))


def step_bytes(settings: Network, side: int, classes: int, images: int) -> int:
    """Return the bytes that a training step on ``images`` holds at its end, in float32.

    These are weights with gradients and moments, and what the forward pass keeps for the backward one. The
    images themselves and what kernels take for a moment are not counted.
    """
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()  # storages on meta have no address
        held.append(tensor)  # or another storage gets its place
        return tensor

    held: list[Tensor] = []
    with _on_shapes(settings, classes) as network:
        weights = sum(parameter.nbytes for parameter in network.parameters())
        own = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            network.train()(torch.empty(images, 3, side, side))
    return _FLOATS * weights + sum(size for place, size in kept.items() if place not in own)


@contextmanager
def _on_shapes(settings: Network, classes: int) -> Iterator[nn.Module]:
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        yield creation.create(settings, classes, {"pretrained": False})
