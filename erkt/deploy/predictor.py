"""A model as an object of Python: images in, predictions or features out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from erkt.deploy import scores
from erkt.deploy.card import ModelCard
from erkt.deploy.opening import open_model
from erkt.deploy.pixels import Pixels, from_object, from_path
from erkt.errors import ErktError

BATCH = 64


class Model(Protocol):
    """What runs a network: ONNX Runtime or torch."""

    card: ModelCard

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits (B, C) of uint8 pixels (B, side, side, 3)."""

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the last layer sees (B, D) of uint8 pixels (B, side, side, 3)."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one image.

    ``class_name`` is the most probable class and ``probability`` its share, in [0, 1]; ``probabilities`` (C,)
    are those of all classes, in the order of ``classes``; ``entropy`` is theirs in nats. ``unsure`` says that
    the probability is below the model's threshold; None if it has none.
    """

    class_name: str
    probability: float
    entropy: float
    unsure: bool | None
    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the ``count`` most probable classes with their probabilities, the best first."""
        order = scores.best(self.probabilities[None], count)[0]
        return [(self.classes[place], float(self.probabilities[place])) for place in order]


class Predictor:
    """A model, and what is needed to ask it. Holds no state: two threads may use one."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def card(self) -> ModelCard:
        """What the model says of itself."""
        return self.model.card

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of probabilities."""
        return self.card.classes

    def predict(self, images: Iterable[Any]) -> list[Prediction]:
        """Return a prediction for each of ``images``, in their order; memory is a batch of pixels.

        An image is a path; a PIL image; an array (H, W, 3), uint8; or a tensor of torch (3, H, W), uint8, or
        float in [0, 1], which is rounded to 8 bits. Each may have another size: it is brought to the model's
        side as the training images were. Raises ErktError naming the place of an image that cannot be used.
        """
        return [found for batch in self._batches(images) for found in self.of_pixels(batch)]

    def embed(self, images: Iterable[Any]) -> NDArray[np.float32]:
        """Return what the last layer sees of each of ``images``, (N, D); otherwise as ``predict``."""
        found = [self.model.features(batch) for batch in self._batches(images)]
        return np.concatenate(found) if found else np.empty((0, self.width), np.float32)

    @property
    def width(self) -> int:
        """The number of features, D."""
        side = self.card.side
        return int(self.model.features(np.zeros((1, side, side, 3), np.uint8)).shape[1])

    def of_pixels(self, pixels: NDArray[np.uint8]) -> list[Prediction]:
        """Return a prediction for each of the prepared pixels (B, side, side, 3)."""
        shares = scores.probabilities(self.model.logits(pixels), self.card.temperature)
        best, disorder, limit = shares.argmax(axis=1), scores.entropy(shares), self.card.threshold
        return [
            Prediction(
                class_name=self.classes[best[row]],
                probability=float(share[best[row]]),
                entropy=float(disorder[row]),
                unsure=None if limit is None else bool(share[best[row]] < limit),
                probabilities=share,
                classes=self.classes,
            )
            for row, share in enumerate(shares)
        ]

    def _batches(self, images: Iterable[Any]) -> Iterator[NDArray[np.uint8]]:
        if isinstance(images, (str, Path)) or hasattr(images, "im"):
            raise ErktError("expected a list of images; for a single one give a list of one: [image]")
        prepared = (self._pixels(place, image) for place, image in enumerate(images))
        while batch := list(islice(prepared, BATCH)):
            yield np.stack(batch)

    def _pixels(self, place: int, image: Any) -> Pixels:
        settings, named = self.card.preparation, isinstance(image, (str, Path))
        try:
            return from_path(Path(image), settings) if named else from_object(image, settings)
        except ErktError as error:
            raise ErktError(f"{image if named else f'image {place}'}: {error}") from None


def load(path: str | Path, threads: int = 0) -> Predictor:
    """Return the model at ``path``, an exported file or folder, or a student's folder of a run.

    ``threads`` are those that a prediction takes; 0 for as many as there are cores. Raises ErktError if there
    is no such model, or it is damaged, or from elsewhere.
    """
    return Predictor(open_model(Path(path), threads))
