"""How good the student is class by class, and what it takes the hardest ones for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erkt.report.estimates import Estimate, estimate
from erkt.report.facts import Facts

HARDEST = 6
"""Classes whose mistakes are shown one by one."""

TAKEN_FOR = 4
"""Classes that one is most often taken for."""

EXAMPLES = 4
"""Pictures of mistakes for a class."""

IN_MATRIX = 20
"""Classes of a confusion matrix that can still be read."""


@dataclass(frozen=True)
class PerClass:
    """One class: how many of its images are found, and how many that are called so are right, in percent.

    ``recall`` is None for a class without a test image, ``precision`` for one that is never said. ``images``
    are its test images of all runs together.
    """

    name: str
    images: int
    recall: Estimate | None
    precision: float | None


@dataclass(frozen=True)
class Mistaken:
    """How many ``images`` of all runs are taken for the class ``name``, and their share of the true class."""

    name: str
    images: int
    percent: float


@dataclass(frozen=True)
class Mistake:
    """A class that is taken for another: ``images`` of all runs, and their share of the true class."""

    true: str
    said: Mistaken


@dataclass(frozen=True)
class Example:
    """A mistake on the first seed: the image's key, what it was taken for, with which probability."""

    key: str
    label: int
    said: str
    confidence: float


@dataclass(frozen=True)
class Hard:
    """A class of low recall: what it is taken for, the most often first, and some of its mistakes."""

    of: PerClass
    right: int
    taken_for: tuple[Mistaken, ...]
    others: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Cell:
    """A place of the matrix: its count, whether that is right, and how dark it is, above 0 to 1.

    The darkest is the largest share of a true class that is mistaken.
    """

    row: int
    column: int
    count: int
    right: bool
    shade: float


@dataclass(frozen=True)
class Matrix:
    """Counts of true classes (rows) by choice (columns), the last of which may be all other classes.

    ``images`` are the images of each true class.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: NDArray[np.int64]
    images: NDArray[np.int64]
    whole: bool

    def cells(self) -> Iterator["Cell"]:
        """Yield every cell, row by row."""
        shares = self.counts / np.maximum(self.images, 1)[:, None]
        wrong = shares[:, : len(self.rows)].copy()  # without all others, which are many classes
        np.fill_diagonal(wrong, 0)
        most = float(wrong.max()) or 1.0
        for (row, column), count in np.ndenumerate(self.counts):
            known = column < len(self.rows)
            shade = round(min(0.2 + 0.8 * float(shares[row, column]) / most, 1.0), 2) if known else 0.2
            yield Cell(row, column, int(count), row == column, shade)


def confusions(facts: Facts) -> list[NDArray[np.int64]]:
    """Return the student's confusion matrix (C, C) of each seed: row = true class, column = choice."""
    return [one.predicted.confusion() for one in facts.seeds.values()]


def per_class(facts: Facts, matrices: Sequence[NDArray[np.int64]]) -> list[PerClass]:
    """Return every class, those of lowest recall first; classes without a test image come last."""
    total = np.sum(matrices, axis=0)
    said = total.sum(axis=0)
    found = []
    for place, name in enumerate(facts.classes):
        right = [int(matrix[place, place]) for matrix in matrices]
        support = [int(matrix[place].sum()) for matrix in matrices]
        precision = 100 * float(total[place, place]) / int(said[place]) if said[place] else None
        found.append(PerClass(name, sum(support), estimate(right, support), precision))
    return sorted(found, key=lambda one: (one.recall is None, one.recall.mean if one.recall else 0.0))


def hardest(facts: Facts, rows: Sequence[PerClass], matrices: Sequence[NDArray[np.int64]]) -> list[Hard]:
    """Return the classes of lowest recall that have a mistake, with what they are taken for."""
    total, labels = np.sum(matrices, axis=0), {name: place for place, name in enumerate(facts.classes)}
    wrong = [row for row in rows if row.recall and row.recall.mean < 100]
    found = []
    for row in wrong[:HARDEST]:
        label = labels[row.name]
        counts = total[label].copy()
        right, counts[label] = int(counts[label]), 0
        order = [int(place) for place in np.argsort(-counts, kind="stable") if counts[place]]
        taken = tuple(
            Mistaken(facts.classes[place], int(counts[place]), 100 * float(counts[place]) / row.images)
            for place in order[:TAKEN_FOR]
        )
        others = int(counts.sum()) - sum(one.images for one in taken)
        found.append(Hard(row, right, taken, others, _examples(facts, label)))
    return found


def matrix(facts: Facts, rows: Sequence[PerClass], matrices: Sequence[NDArray[np.int64]]) -> Matrix:
    """Return the confusion matrix of all classes, or of as many of the hardest ones as can be read.

    Then the last column is what is taken for none of them.
    """
    total = np.sum(matrices, axis=0)
    whole = len(facts.classes) <= IN_MATRIX
    shown = sorted(facts.classes.index(row.name) for row in rows[: None if whole else IN_MATRIX - 4])
    names = tuple(facts.classes[place] for place in shown)
    counts = total[np.ix_(shown, shown)]
    images = total[shown].sum(axis=1)
    if whole:
        return Matrix(names, names, counts, images, whole)
    rest = images - counts.sum(axis=1)
    return Matrix(names, (*names, "all others"), np.column_stack([counts, rest]), images, whole)


def commonest(facts: Facts, matrices: Sequence[NDArray[np.int64]]) -> Mistake | None:
    """Return the mistake of the most images in all runs, the first of equals; None without a mistake."""
    total = np.sum(matrices, axis=0)
    wrong = total - np.diag(np.diag(total))
    true, said = np.unravel_index(int(wrong.argmax()), wrong.shape)
    images = int(wrong[true, said])
    if not images:
        return None
    share = 100 * images / int(total[true].sum())
    return Mistake(facts.classes[true], Mistaken(facts.classes[said], images, share))


def _examples(facts: Facts, label: int) -> tuple[Example, ...]:
    """Return the mistakes of which the student of the first seed was surest."""
    found = facts.first.predicted
    wrong = np.flatnonzero((found.labels == label) & (found.student != label))
    order = wrong[np.argsort(-found.student_confidence[wrong], kind="stable")][:EXAMPLES]
    return tuple(
        Example(
            found.keys[place],
            label,
            facts.classes[found.student[place]],
            float(found.student_confidence[place]),
        )
        for place in order
    )
