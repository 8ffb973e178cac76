"""Prediction: the images as they are, through one network."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkt.data.images import Subset
from erkt.data.pixels import to_unit
from erkt.machine.device import send
from erkt.networks.models import Classifier, put_on


def validation(
    model: Classifier, subset: Subset, batch_size: int, device: torch.device
) -> Callable[[], dict[str, float]]:
    """Return what ``fit`` may call after each epoch: ``val_oa`` in percent, or nothing for an empty part."""

    def check() -> dict[str, float]:
        if not len(subset):
            return {}
        predictions = predict(model, subset, batch_size, device).argmax(axis=1)
        return {"val_oa": 100 * float(np.mean(predictions == subset.labels))}

    return check


def predict(model: Classifier, subset: Subset, batch_size: int, device: torch.device) -> NDArray[np.float32]:
    """Return the logits (N, C), float32, of the images of ``subset`` as they are, in its order."""
    put_on(model, device).eval()
    nothing = np.empty((0, len(model.card.classes)), np.float32)
    return np.concatenate([nothing, *outputs(model, image_batches(subset, batch_size, device))])


def image_batches(
    subset: Subset,
    batch_size: int,
    device: torch.device,
    change: Callable[[Tensor], Tensor] = lambda pixels: pixels,
) -> Iterator[Tensor]:
    """Yield the images of ``subset`` in its order, (B, 3, H, W), float32 in [0, 1], laid out channels last.

    ``change`` maps their pixels to others, both uint8 (B, 3, H, W).
    """
    for start in range(0, len(subset), batch_size):
        positions = range(start, min(start + batch_size, len(subset)))
        pixels = send(subset.pixels(positions), device)
        yield to_unit(change(pixels)).contiguous(memory_format=torch.channels_last)


def outputs(call: Callable[[Tensor], Tensor], batches: Iterator[Tensor]) -> Iterator[NDArray[np.float32]]:
    """Yield what ``call`` makes of each batch, on the CPU in float32, without gradients."""
    for images in batches:
        # Around the calls alone: a network moved to a device in this mode could have no gradients later.
        with torch.inference_mode():
            output = call(images)
        yield output.float().cpu().numpy()
