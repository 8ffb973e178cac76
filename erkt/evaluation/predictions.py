"""Which images show best what a student can and cannot tell apart, chosen from its stored predictions."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erkt.errors import ErktError
from erkt.evaluation.metrics import confusion_matrix

Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What student and ensemble say of each test image: true class, choices (N,), confidences in [0, 1] (N,)."""

    keys: tuple[str, ...]
    labels: Labels
    student: Labels
    ensemble: Labels
    student_confidence: NDArray[np.float64]
    ensemble_confidence: NDArray[np.float64]

    @classmethod
    def read(cls, rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> "Predictions":
        """Return the predictions in the rows of ``erkt.evaluation.against_ensemble.predictions``, read as text."""
        place = {name: number for number, name in enumerate(classes)}

        def labels(column: str) -> Labels:
            return np.array([place[row[column]] for row in rows], dtype=np.int64)

        def numbers(column: str) -> NDArray[np.float64]:
            return np.array([float(row[column]) for row in rows])

        return cls(
            keys=tuple(row["key"] for row in rows),
            labels=labels("actual"),
            student=labels("student"),
            ensemble=labels("ensemble"),
            student_confidence=numbers("student_confidence"),
            ensemble_confidence=numbers("ensemble_confidence"),
        )

    @classmethod
    def load(cls, path: Path, classes: Sequence[str]) -> "Predictions":
        """Return the predictions in the CSV at ``path``; ErktError if it is missing or holds something else."""
        try:
            with path.open(encoding="utf-8", newline="") as file:
                return cls.read(list(csv.DictReader(file)), classes)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ErktError(f"{path}: not readable as predictions ({error}); run dvc repro") from None

    def confusion(self, classes: int) -> NDArray[np.int64]:
        """Return the student's confusion matrix (classes, classes)."""
        return confusion_matrix(self.labels, self.student, classes)

    def hardest(self, classes: int, count: int) -> list[int]:
        """Return the ``count`` classes of lowest recall that have a wrong prediction, the hardest first."""
        matrix = self.confusion(classes)
        support = matrix.sum(axis=1)
        recall = matrix.diagonal() / np.maximum(support, 1)
        order = np.lexsort((np.arange(classes), recall))
        return [int(label) for label in order if matrix[label, label] < support[label]][:count]

    def surest(self, label: int, *, right: bool) -> int | None:
        """Return the place of the image of class ``label`` on which the student is surest and right, or wrong."""
        of_kind = np.flatnonzero((self.labels == label) & ((self.student == label) == right))
        return int(of_kind[self.student_confidence[of_kind].argmax()]) if len(of_kind) else None

    def listed(self) -> list[tuple[str, int]]:
        """Return key and true class of every image, in the order of the table."""
        return list(zip(self.keys, self.labels.tolist(), strict=True))

    def first_of_each(self, classes: int, count: int) -> list[tuple[str, int]]:
        """Return key and true class of the first ``count`` images of each class, in the order of the table."""
        places = np.sort(np.concatenate(first_of_each(self.labels, classes, count)))
        return [(self.keys[place], int(self.labels[place])) for place in places]


def first_of_each(labels: Labels, classes: int, count: int) -> list[Labels]:
    """Return for each class the places of its first ``count`` images."""
    return [np.flatnonzero(labels == label)[:count] for label in range(classes)]
