"""Who is asked about an image, and what the answer holds: the model, its teachers, where it looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from erkt.deploy import scores
from erkt.deploy.app.limits import Limits, check_header
from erkt.deploy.app.pictures import address, lit
from erkt.deploy.pixels import Pixels, from_bytes
from erkt.deploy.predictor import Prediction, Predictor
from erkt.errors import ErktError
from erkt.params.prepare import Prepare

if TYPE_CHECKING:
    from erkt.deploy.app.looking import Looking

_SAID = ("class", "probability", "entropy", "unsure", "top", "ensemble")


@dataclass(frozen=True, eq=False)
class Teacher:
    """A network of the ensemble by its path, and its weight there, above 0."""

    path: Path
    predictor: Predictor
    weight: float


class Panel:
    """The model with its teachers and its heat, where these are given. Two threads may use one.

    Raises ErktError if a teacher knows other classes, or a weight is not above 0.
    """

    def __init__(
        self,
        model: Predictor,
        limits: Limits,
        teachers: Sequence[Teacher] = (),
        looking: "Looking | None" = None,
    ) -> None:
        for teacher in teachers:
            if teacher.predictor.classes != model.classes:
                raise ErktError(f"{teacher.path}: has other classes than the model; give its own teachers")
            if not 0 < teacher.weight < float("inf"):
                raise ErktError(f"{teacher.path}: weight {teacher.weight:g}; expected a number above 0")
        self.model, self.limits, self.teachers, self.looking = model, limits, tuple(teachers), looking

    def answer(self, name: str, data: bytes, top: int, *, pictures: bool) -> dict[str, Any]:
        """Return what is said of the image file ``data``, in numbers and text, ready for JSON.

        ``name``; ``class``, ``probability`` and ``entropy`` in nats; ``unsure``, None without a threshold;
        ``top``, the most probable classes with their probabilities; ``ensemble``, the teachers' class,
        probability and top; ``error``, why nothing is said. What is not known is None. With ``pictures`` also
        ``seen``, the pixels that the network takes, and ``heat``, the same lit where it looks.
        """
        drawn = ("seen", "heat") if pictures else ()
        found: dict[str, Any] = {"name": name} | dict.fromkeys((*_SAID, *drawn, "error"))
        try:
            check_header(data, self.limits)
            pixels = {settings: from_bytes(data, settings) for settings in self._settings()}
        except ErktError as error:
            return found | {"error": str(error)}
        own = pixels[self.model.card.preparation]
        (said,) = self.model.of_pixels(own[None])
        found |= {
            "class": said.class_name,
            "probability": said.probability,
            "entropy": said.entropy,
            "unsure": said.unsure,
            "top": _listed(said, top),
            "ensemble": self._ensemble(pixels, top),
        }
        return found | (self._pictures(own, said) if pictures else {})

    def thumbnail(self, data: bytes) -> str:
        """Return the pixels that the network takes of an image file; ErktError if it is none."""
        check_header(data, self.limits)
        return address(from_bytes(data, self.model.card.preparation))

    def _settings(self) -> set[Prepare]:
        predictors = (self.model, *(teacher.predictor for teacher in self.teachers))
        return {predictor.card.preparation for predictor in predictors}

    def _ensemble(self, pixels: Mapping[Prepare, Pixels], top: int) -> dict[str, Any] | None:
        """Return what the mean of the teachers' logits says, by their weights; it is not calibrated."""
        if not self.teachers:
            return None
        total = sum(teacher.weight for teacher in self.teachers)
        logits = np.zeros((1, len(self.model.classes)))
        for teacher in self.teachers:
            own = pixels[teacher.predictor.card.preparation][None]
            logits += teacher.weight / total * teacher.predictor.model.logits(own).astype(np.float64)
        shares = scores.probabilities(logits, 1.0)
        listed = _best(shares[0], self.model.classes, top)
        return {"class": listed[0]["class"], "probability": listed[0]["probability"], "top": listed}

    def _pictures(self, pixels: Pixels, said: Prediction) -> dict[str, Any]:
        heat = None
        if self.looking is not None:
            heat = self.looking.heat(pixels, said.classes.index(said.class_name))
        return {"seen": address(pixels), "heat": None if heat is None else address(lit(pixels, heat))}


def _listed(said: Prediction, top: int) -> list[dict[str, Any]]:
    return _best(said.probabilities, said.classes, top)


def _best(shares: scores.Floats, classes: Sequence[str], top: int) -> list[dict[str, Any]]:
    order = scores.best(np.asarray(shares, np.float64)[None], top)[0]
    return [{"class": classes[place], "probability": float(shares[place])} for place in order]
