"""How much the teachers vary, and how far the student is from them: the paper's Figure 1, measured.

The paper argues that logits which fluctuate over the training images make the student deviate from its
teacher, by D(x), and that the variance-suppression module lessens both. Raw figures cannot show that:
teachers are less sure of mixed and erased images, so their logits shrink, and every variance of logits with
them. Therefore each figure is also divided by the teachers' variance between classes. The ratio says how much
they differ about images of one class, for how much they differ between classes. A factor on all logits leaves
it as it is. If the argument of Figure 1 holds, it is smaller with the module than without.
Logits are taken less their mean over the classes, which says nothing.
"""

import numpy as np
from numpy.typing import NDArray

from erkt.evaluation.class_variance import within_and_between
from erkt.evaluation.metrics import agreement, softmax
from erkt.evaluation.on_views import Logits, OnViews

Scores = NDArray[np.float64]


def report(seen: OnViews) -> dict[str, float | None]:
    """Return how much the teachers vary on the views and how far the student is from them.

    For ``logits`` and ``probabilities``, sums over the columns of:

    - ``..._within_class`` and ``..._between_classes``: the ensemble's variance over images and views (n), in
      two parts; a mixed image counts for both of its classes by its share, see ``within_and_between``,
      and one with an unlabelled part for none;
    - ``..._across_views``: its variance over the views of an image (n - 1), mean over images; None for one;
    - ``..._distance``: the squared distance of student and ensemble, mean over images and views;
    - ``..._within_over_between``, ``..._across_over_between``, ``..._distance_over_between``: each over the
      variance between classes; None where that is 0, or the figure None.

    ``agreement`` is the percentage of images on which student and ensemble choose one class.
    """
    found: dict[str, float | None] = {}
    classes = seen.teacher.shape[2]
    shares = seen.shares.reshape(-1, classes)
    known = np.isclose(shares.sum(axis=1), 1)  # no part of it is unlabelled
    for name, of in (("logits", _centred), ("probabilities", softmax)):
        own, theirs = of(seen.student), of(seen.teacher)
        within, between = within_and_between(theirs.reshape(-1, classes)[known], shares[known])
        across = float(theirs.var(axis=0, ddof=1).sum(axis=1).mean()) if len(theirs) > 1 else None
        distance = float(((own - theirs) ** 2).sum(axis=2).mean())
        figures = {"within_class": within, "across_views": across, "distance": distance}
        found |= {f"{name}_{figure}": value for figure, value in figures.items()}
        found[f"{name}_between_classes"] = between
        for figure, value in figures.items():
            ratio = value / between if value is not None and between > 0 else None
            found[f"{name}_{figure.partition('_')[0]}_over_between"] = ratio
    chosen = [scores.argmax(axis=2).ravel() for scores in (seen.student, seen.teacher)]
    return found | {"agreement": agreement(*chosen)}


def _centred(logits: Logits) -> Scores:
    scores = logits.astype(np.float64)
    return np.asarray(scores - scores.mean(axis=2, keepdims=True))
