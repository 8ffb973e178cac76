"""Prediction: the images as they are, through one network."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from erkt.data.images import Subset
from erkt.data.pixels import to_unit
from erkt.networks.models import Classifier


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


@torch.inference_mode()
def predict(model: Classifier, subset: Subset, batch_size: int, device: torch.device) -> NDArray[np.float32]:
    """Return the logits (N, C), float32, of the images of ``subset`` as they are, in its order."""
    model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]  # torch's own stub
    logits = np.empty((len(subset), len(model.card.classes)), np.float32)
    for start in range(0, len(subset), batch_size):
        positions = np.arange(start, min(start + batch_size, len(subset)))
        images = to_unit(torch.from_numpy(subset.pixels(positions)).to(device))
        logits[positions] = model(images.contiguous(memory_format=torch.channels_last)).float().cpu().numpy()
    return logits
