"""What an exported model says of itself, in JSON: how it reads images, and where it is from."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from erkt.errors import ErktError
from erkt.files.json_file import parse_json
from erkt.params.prepare import Prepare
from erkt.params.schema import Between, as_dict, build

FORMAT = 1
"""Changes whenever a reader of an older one would misread a card."""

KEY = "erkt"
"""The name of the card in an ONNX file's metadata and in ``config.json``."""

FILE = "erkt.json"
"""The name of the card in a folder."""

ONNX = "model.onnx"
"""The name of the ONNX file in the folder that the pipeline exports to."""

SAFETENSORS = "model.safetensors"
"""The name of the weights in a folder for timm."""

_LATER = ("bands", "stretch")
"""Fields that cards of the first versions have not."""

_LARGEST_SIDE = 8192
"""A card comes with a model from anywhere; an image of this side takes 200 MB."""

Channels = tuple[float, float, float]
Percent = Annotated[float, Between(0, 100)]
Share = Annotated[float, Between(0, 1)]


@dataclass(frozen=True)
class Weights:
    """Where a network's initial weights are from, the licence of those, and the address of who made them.

    Networks from nothing have ``random`` and no licence.
    """

    arch: str
    source: str
    licence: str | None
    origin: str | None


@dataclass(frozen=True)
class Training:
    """What a student was trained on: images of a dataset, with the sha256 of its pixels and the list."""

    dataset: str
    images: int
    unlabelled: int
    pixels_sha256: str
    list_sha256: str
    seed: int


@dataclass(frozen=True)
class Calibration:
    """How probabilities were fitted, on images that the network was not trained on (``part``).

    Logits are divided by ``temperature``; ``ece_before`` and ``ece_after`` are expected calibration errors in
    percent, on the same ``images``. A prediction below the probability ``threshold`` is unsure: of those at
    or above it, ``coverage`` percent of the images, ``accuracy`` percent were right, at least the ``aim``.
    Where no threshold reaches the aim, these three are None.
    """

    part: str
    images: Annotated[int, Between(1)]
    temperature: Annotated[float, Between(0, above=True)]
    ece_before: Percent
    ece_after: Percent
    aim: Percent
    threshold: Share | None
    coverage: Percent | None
    accuracy: Percent | None


@dataclass(frozen=True)
class ModelCard:
    """What an exported model carries.

    ``side``, ``filter``, ``non_square``, ``bands`` and ``stretch`` say how a file becomes the pixels that it
    takes, as ``erkt.params.prepare.Prepare`` has them; ``network_side`` is the side at which the network sees
    them (None: the same). ``mean`` and ``std`` are those of the input in [0, 1]; in ONNX files they are
    inside. ``options`` are those of ``timm.create_model``. ``classes`` are in the order of the logits.
    ``weights`` are the initial ones, ``teachers`` those of the networks that taught it, by name, ``shares``
    their weights in the ensemble. ``results`` are accuracies and so on of the test part. ``commit`` is the
    repository's when it was exported by hand, with ``-dirty`` where files differed from it; ``inputs`` is the
    sha256 of all that the pipeline's stage was given, by which its run is found. What nobody knows is None.
    ``precision`` says in which numbers it computes.
    """

    format: int
    arch: str
    options: dict[str, Any]
    parameters: int
    precision: Literal["fp32", "int8"]
    classes: tuple[str, ...]
    side: Annotated[int, Between(8, _LARGEST_SIDE)]
    filter: Literal["box", "bilinear", "bicubic", "lanczos"]
    non_square: Literal["squash", "center_crop"]
    network_side: int | None
    mean: Channels
    std: Channels
    weights: Weights
    teachers: dict[str, Weights]
    shares: dict[str, float]
    training: Training | None
    calibration: Calibration | None
    results: dict[str, float]
    commit: str | None
    inputs: str | None
    bands: tuple[int, ...] | None = None
    stretch: tuple[float, float] | None = None

    @property
    def preparation(self) -> Prepare:
        """How a file becomes pixels."""
        return Prepare(self.side, self.filter, self.non_square, "refuse", self.bands, self.stretch)

    @property
    def temperature(self) -> float:
        """What logits are divided by before the softmax."""
        return 1.0 if self.calibration is None else self.calibration.temperature

    @property
    def threshold(self) -> float | None:
        """The probability below which a prediction is unsure; None if none is known."""
        return None if self.calibration is None else self.calibration.threshold

    def to_json(self) -> str:
        """Return the card as JSON, in which every number has all its digits."""
        values = as_dict(self)
        for name in _LATER:  # where they say nothing the card is that of earlier versions
            if values[name] is None:
                del values[name]
        return json.dumps(values, ensure_ascii=False, allow_nan=False)


def from_json(text: str, where: str) -> ModelCard:
    """Return the card that ``to_json`` wrote; ErktError naming ``where`` if it is none, or a later one."""
    values = parse_json(text, f"{where}: its card")
    if not isinstance(values, dict) or "format" not in values:
        raise ErktError(f"{where}: it has no card of an exported model; make one with: erkt export")
    if values["format"] != FORMAT:
        raise ErktError(
            f"{where}: its card has format {values['format']}, this erkt reads {FORMAT}; update erkt"
        )
    return build(ModelCard, dict.fromkeys(_LATER) | values, f"{where}: card")
