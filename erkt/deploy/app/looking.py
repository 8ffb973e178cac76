"""Where the model of the page looks: Grad-CAM, by torch, of the same network as weights."""

from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from erkt.deploy.agreement import TOLERANCE, USUAL
from erkt.deploy.opening import open_model
from erkt.deploy.pixels import Pixels
from erkt.deploy.predictor import Predictor
from erkt.deploy.torch_model import TorchModel
from erkt.errors import ErktError
from erkt.evaluation.gradcam import Heat, heat


class Looking:
    """Grad-CAM of the network in ``folder``, which has to be the one that ``shown`` is.

    Raises ErktError if ``folder`` holds no weights, or they say something else of an image than ``shown``.
    """

    def __init__(self, folder: Path, shown: Predictor) -> None:
        found = open_model(folder, threads=1)
        if not isinstance(found, TorchModel):
            raise ErktError(f"{folder}: Grad-CAM needs weights: a student's folder of a run, or one for timm")
        _check_same(folder, found, shown)
        self._network, self._lock = found.network, Lock()

    def heat(self, pixels: Pixels, label: int) -> Heat | None:
        """Return the heat (side, side) in [0, 1] for the class ``label`` of prepared pixels.

        None for a network without maps of activations, as a transformer.
        """
        images = np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]
        with self._lock:  # it hooks into the network
            (found,) = heat(self._network, images, np.array([label]))
        return None if np.isnan(found).any() else np.asarray(found)


def _check_same(folder: Path, found: TorchModel, shown: Predictor) -> None:
    card = shown.card
    if (found.card.classes, found.card.side) != (card.classes, card.side):
        raise ErktError(f"{folder}: has other classes or another side than the model of the page")
    if card.precision != "fp32":
        raise ErktError(
            f"{folder}: the model of the page is {card.precision}, which has no Grad-CAM; give fp32"
        )
    shape = (4, card.side, card.side, 3)
    pixels: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    own, expected = found.logits(pixels), shown.model.logits(pixels)
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()) / USUAL)
    if not np.abs(own - expected).max() <= allowed:  # NaN as well
        raise ErktError(f"{folder}: is another network than the model of the page")
