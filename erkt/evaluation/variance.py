"""How much the teachers vary, and how far the student is from them: the paper's Figure 1, measured.

The paper argues that logits which vary over the training images make the student deviate from its teacher,
and that the variance-suppression module lessens both. Each is measured on the views that the student learned
from, for logits (less their mean over the classes, which says nothing) and for probabilities.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from erkt.data.index import NO_LABEL
from erkt.evaluation.metrics import agreement, softmax
from erkt.networks.models import Classifier, put_on
from erkt.teachers.teach import Teach
from erkt.views.batches import ViewBatches

Logits = NDArray[np.float32]
Scores = NDArray[np.float64]


@torch.inference_mode()
def on_views(
    student: Classifier, teach: Teach, data: ViewBatches, views: Sequence[int]
) -> tuple[Logits, Logits]:
    """Return the logits (views, N, C) of the student in evaluation mode and of its teachers on ``views``."""
    put_on(student, data.device).eval()
    shape = (len(views), len(data.subset), len(student.card.classes))
    own, theirs = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for place, number in enumerate(views):
        view = data.view(number)
        for positions in data.in_order(number):
            batch = data.batch(view, positions)
            images = batch.images.contiguous(memory_format=torch.channels_last)
            own[place, positions] = student(images).float().cpu().numpy()
            theirs[place, positions] = teach(batch).float().cpu().numpy()
    return own, theirs


def report(student: Logits, teacher: Logits, labels: NDArray[np.int64]) -> dict[str, float | None]:
    """Return how much ``teacher`` varies and how far ``student`` is from it.

    Args:
        student: logits (V, N, C) on V views of N training images.
        teacher: the same of the ensemble.
        labels: (N,), the images' own classes, also where CutMix has put a part of another in; ``NO_LABEL``
            leaves an image out of what is within a class.

    Returns:
        For ``logits`` and ``probabilities``, sums over the classes of: ``..._across_views``, the teacher's
        variance over views (n - 1; None for one view), mean over images; ``..._within_class``, its variance
        over images and views of a class (n), mean over the classes that occur; ``..._distance``, the squared
        distance of student and teacher, mean over images and views. ``agreement`` is the percentage on which
        both choose one class.
    """
    found: dict[str, float | None] = {}
    for name, of in (("logits", _centred), ("probabilities", softmax)):
        own, theirs = of(student), of(teacher)
        across = theirs.var(axis=0, ddof=1).sum(axis=1).mean() if len(theirs) > 1 else None
        known = np.unique(labels[labels != NO_LABEL])
        within = [theirs[:, labels == label].var(axis=(0, 1)).sum() for label in known]
        found[f"{name}_across_views"] = None if across is None else float(across)
        found[f"{name}_within_class"] = float(np.mean(within))
        found[f"{name}_distance"] = float(((own - theirs) ** 2).sum(axis=2).mean())
    chosen = [scores.argmax(axis=2).ravel() for scores in (student, teacher)]
    return found | {"agreement": agreement(*chosen)}


def _centred(logits: Logits) -> Scores:
    scores = logits.astype(np.float64)
    return np.asarray(scores - scores.mean(axis=2, keepdims=True))
