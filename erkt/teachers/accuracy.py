"""How often the teachers are right where they teach, beside how often they are right on whole images.

A student learns what its teachers say of turned, erased and mixed images, whether it is right or not.
Teachers that know their training images by heart may still be wrong on most views of them, and then each
further epoch teaches errors.
"""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from erkt.data.index import NO_LABEL
from erkt.data.pixels import to_unit
from erkt.machine.device import send
from erkt.teachers.online import OnlineTeachers
from erkt.teachers.teach import Teach
from erkt.views.batches import ViewBatches

Integers = NDArray[np.int64]

ENOUGH = 1000
"""Labelled images after which no further batch is asked for: an accuracy is then within 3 points, 19
times in 20."""

GAP = 10.0
"""Points by which the views may be harder than whole images before a warning says so."""


@dataclass(frozen=True)
class Accuracy:
    """The ensemble's accuracy in percent, on the same training images, as far as they are labelled.

    ``views``: it names the class of the larger part. ``either``: it names one of the two classes. ``whole``:
    it names the class of the image as it is, neither mixed nor augmented.
    """

    views: float
    either: float
    whole: float

    @property
    def figures(self) -> dict[str, float]:
        """The accuracies under the names that records have for them."""
        return {
            "teacher_oa_views": self.views,
            "teacher_oa_views_either": self.either,
            "teacher_oa_whole": self.whole,
        }

    @property
    def sentence(self) -> str:
        """The accuracies in words; where they are far apart, what that means and what to do."""
        said = (
            f"on {self.views:.0f} % of the views that they teach, the teachers name the class of the larger "
            f"part (one of the two classes on {self.either:.0f} %); on {self.whole:.0f} % of the same images "
            "whole, the right class"
        )
        if self.whole - self.views <= GAP:
            return said
        return (
            f"{said}. Much of what they teach is wrong: take teachers that know such views "
            "(teachers.NAME.views), easier views (vsm), or usual ones at the end (distill.finish)"
        )


def of_views(
    chosen: Integers, label_a: Integers, label_b: Integers, alpha: NDArray[np.float32]
) -> tuple[float, float]:
    """Return ``Accuracy.views`` and ``Accuracy.either`` of the classes ``chosen`` on mixed images.

    All have the same shape; ``label_a``, ``label_b`` and ``alpha`` are eq. 11's, so the larger part is the
    image's own up to alpha = 0.5. Images whose larger part is unlabelled do not count; one or more must.
    """
    larger = np.where(alpha > 0.5, label_b, label_a)
    known = larger != NO_LABEL
    mixed = (alpha > 0) & (chosen == label_b)
    unmixed = (alpha < 1) & (chosen == label_a)
    return 100 * float((chosen == larger)[known].mean()), 100 * float((mixed | unmixed)[known].mean())


def of_whole_images(networks: OnlineTeachers, data: ViewBatches, positions: Integers) -> float:
    """Return ``Accuracy.whole``, on the training images of ``data`` at ``positions`` (N,).

    The unlabelled among them do not count; one or more must.
    """
    positions = positions[data.subset.labels[positions] != NO_LABEL]
    right = 0
    for start in range(0, len(positions), data.batch_size):
        batch = positions[start : start + data.batch_size]
        images = to_unit(send(data.subset.pixels(batch), data.device))
        chosen = networks.logits(images).argmax(dim=1).cpu().numpy()
        right += int((chosen == data.subset.labels[batch]).sum())
    return 100 * right / len(positions)


def of_first_view(teach: Teach, networks: OnlineTeachers, data: ViewBatches) -> Accuracy:
    """Return the accuracy on the first epoch's view, over its first batches.

    That is about 1,000 labelled images at most. ``teach`` is asked about the views, ``networks``, the same
    ensemble, about the whole images.
    """
    view, order = data.epoch(0, data.views)
    asked = [
        batch
        for batch, before in zip(order, _before(order, data.subset.labels), strict=True)
        if before < ENOUGH
    ]
    batches = [data.batch(view, positions) for positions in asked]
    chosen = [teach(batch).argmax(dim=1).cpu().numpy() for batch in batches]
    mixture = [
        np.concatenate([getattr(batch, name).cpu().numpy() for batch in batches])
        for name in ("label_a", "label_b", "alpha")
    ]
    larger, either = of_views(np.concatenate(chosen), *mixture)
    return Accuracy(larger, either, of_whole_images(networks, data, np.concatenate(asked)))


def _before(order: list[Integers], labels: Integers) -> list[int]:
    """Return how many labelled images come before each batch."""
    labelled = (int((labels[batch] != NO_LABEL).sum()) for batch in order[:-1])
    return list(accumulate(labelled, initial=0))
