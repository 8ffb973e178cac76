"""What student and teachers say of the views that the student learned from, and what these show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from erkt.networks.models import Classifier, put_on
from erkt.teachers.teach import Teach
from erkt.views.batches import ViewBatches

Logits = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class OnViews:
    """V views of N training images.

    ``student``, ``teacher``: logits (V, N, C), the student's in evaluation mode and the ensemble's.
    ``label_a``, ``label_b`` int64 (V, N) and ``alpha`` (V, N) in [0, 1] are eq. 11's: an image's own class,
    its partner's (``NO_LABEL`` for unlabelled images), and the partner's share of the pixels.
    """

    student: Logits
    teacher: Logits
    label_a: NDArray[np.int64]
    label_b: NDArray[np.int64]
    alpha: NDArray[np.float32]

    @property
    def shares(self) -> NDArray[np.float64]:
        """By what part each image belongs to each class, (V, N, C): 1 - alpha and alpha.

        Rows sum to 1, or to less where a part has no label.
        """
        count = self.teacher.shape[2]
        classes = np.vstack([np.eye(count), np.zeros(count)])  # the last row, of index NO_LABEL, is no class
        theirs = self.alpha.astype(np.float64)[..., None]
        return np.asarray((1 - theirs) * classes[self.label_a] + theirs * classes[self.label_b])


@torch.inference_mode()
def on_views(student: Classifier, teach: Teach, data: ViewBatches, views: Sequence[int]) -> OnViews:
    """Return what ``student`` and its teachers say of ``views``, rows in the order of the training list."""
    put_on(student, data.device).eval()
    shape = (len(views), len(data.subset))
    classes = len(student.card.classes)
    own, theirs = np.empty((*shape, classes), np.float32), np.empty((*shape, classes), np.float32)
    label_a, label_b = np.empty(shape, np.int64), np.empty(shape, np.int64)
    alpha = np.empty(shape, np.float32)
    for place, number in enumerate(views):
        view = data.view(number)
        for positions in data.in_order(number):
            batch = data.batch(view, positions)
            images = batch.images.contiguous(memory_format=torch.channels_last)
            own[place, positions] = student(images).float().cpu().numpy()
            theirs[place, positions] = teach(batch).float().cpu().numpy()
            label_a[place, positions] = batch.label_a.cpu().numpy()
            label_b[place, positions] = batch.label_b.cpu().numpy()
            alpha[place, positions] = batch.alpha.cpu().numpy()
    return OnViews(own, theirs, label_a, label_b, alpha)
