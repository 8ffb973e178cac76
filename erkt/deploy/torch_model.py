"""A student's folder of a run, as it stands, on torch."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from erkt.data.pixels import to_unit
from erkt.deploy.card import FILE, SAFETENSORS, ModelCard, from_json
from erkt.deploy.describe import card_of
from erkt.errors import ErktError
from erkt.files.json_file import read_json
from erkt.networks.creation import first_line, of_tensors
from erkt.networks.feature_maps import maps, pooled
from erkt.networks.models import Card, Classifier, load_folder
from erkt.params.prepare import from_record

PREPARED = Path("../../prepared/manifest.json")
"""Where the settings of its images lie, from a student's folder."""


class TorchModel:
    """A network of the pipeline on the CPU; ``network`` is the network itself."""

    def __init__(self, model: Classifier, card: ModelCard) -> None:
        self.card = card
        self.network = model.eval()

    @torch.inference_mode()
    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits (B, C) of uint8 pixels (B, side, side, 3)."""
        return np.asarray(self.network(_unit(pixels)).numpy())

    @torch.inference_mode()
    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the last layer sees (B, D) of uint8 pixels (B, side, side, 3)."""
        return np.asarray(pooled(self.network, maps(self.network, _unit(pixels))).numpy())


def student_in(folder: Path) -> TorchModel:
    """Return the student in ``folder``, without calibration, with the run's settings of images.

    Raises ErktError if these do not lie where a run has them, and as ``load_folder`` does.
    """
    model, settings = load_folder(folder, classes=None), folder / PREPARED
    if not settings.is_file():
        raise ErktError(
            f"{folder}: how its images are prepared is not in it, and {settings} is not there; export it in "
            "its run, with: erkt export"
        )
    prepare = from_record(read_json(settings).get("settings"), f"{settings}: settings")
    return TorchModel(model, card_of(model, prepare))


def timm_folder_in(folder: Path) -> TorchModel:
    """Return the student that ``erkt.deploy.timm_folder`` wrote.

    Raises ErktError if the folder's files are damaged, or do not fit each other.
    """
    card = from_json(_text(folder / FILE), str(folder / FILE))
    path = folder / SAFETENSORS
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ErktError(f"{path}: cannot be read as weights ({first_line(error)})") from None
    network = of_tensors(card.arch, len(card.classes), card.options, tensors, path)
    own = Card(card.arch, card.classes, card.side, card.mean, card.std, card.weights.source)
    return TorchModel(Classifier(network, own), card)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ErktError(f"{path}: cannot be read: {error}") from None


def _unit(pixels: NDArray[np.uint8]) -> torch.Tensor:
    return to_unit(torch.from_numpy(pixels).permute(0, 3, 1, 2))
