"""Where a network looks: Grad-CAM (R. Selvaraju et al., ICCV 2017), by the library grad-cam."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from erkt.data.pixels import to_unit
from erkt.networks.feature_maps import Tapped, has_maps
from erkt.networks.models import Classifier

Heat = NDArray[np.float32]


def heat(model: Classifier, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Heat:
    """Return the heat (B, H, W) in [0, 1] for the classes ``labels`` (B,) on images (B, 3, H, W).

    It is taken at the last maps of activations, resized to the image; each image's is scaled by its own
    range. A network without such maps, as a transformer, has no heat: NaN.
    """
    tapped = Tapped(model.eval())
    images = to_unit(torch.from_numpy(pixels).to(model.mean.device))
    if not has_maps(model, images[:1]):
        return np.full((len(pixels), *pixels.shape[-2:]), np.nan, np.float32)
    targets = [ClassifierOutputTarget(int(label)) for label in labels]
    with GradCAM(model=tapped, target_layers=[tapped.tap]) as cam:
        found: Heat = cam(input_tensor=images, targets=targets)
    return found


def mean_heat(
    models: Mapping[str, Classifier],
    weights: Mapping[str, float],
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
) -> Heat:
    """Return the ensemble's heat: its members', by their weights; members with weight 0 have no part."""
    parts = [weights[name] * heat(model, pixels, labels) for name, model in models.items() if weights[name]]
    return np.asarray(np.sum(parts, axis=0), np.float32)
