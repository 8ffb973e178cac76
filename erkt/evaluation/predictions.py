"""What student and ensemble say of each test image: as a table, and which images show it best."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erkt.data.images import Subset
from erkt.errors import ErktError
from erkt.evaluation.metrics import softmax
from erkt.files.table_file import read_table
from erkt.networks.logits import Floats

Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of each test image its key, true class, and the choices (N,) and confidences (N,) in [0, 1] of both."""

    classes: tuple[str, ...]
    keys: tuple[str, ...]
    labels: Labels
    student: Labels
    student_confidence: NDArray[np.float64]
    ensemble: Labels
    ensemble_confidence: NDArray[np.float64]

    @classmethod
    def of(cls, test: Subset, *, student: Floats, ensemble: Floats) -> "Predictions":
        """Return the predictions in the logits (N, C) of both on ``test``."""
        return cls(
            test.classes,
            test.keys,
            test.labels,
            student=student.argmax(axis=1),
            student_confidence=softmax(student).max(axis=1),
            ensemble=ensemble.argmax(axis=1),
            ensemble_confidence=softmax(ensemble).max(axis=1),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return the table that ``load`` reads, one row an image."""
        return [
            {
                "key": key,
                "actual": self.classes[self.labels[place]],
                "student": self.classes[self.student[place]],
                "student_confidence": float(self.student_confidence[place]),
                "ensemble": self.classes[self.ensemble[place]],
                "ensemble_confidence": float(self.ensemble_confidence[place]),
            }
            for place, key in enumerate(self.keys)
        ]

    @classmethod
    def load(cls, path: Path, classes: tuple[str, ...]) -> "Predictions":
        """Return the predictions in the CSV at ``path``; ErktError if it is missing or something else."""
        try:
            rows = read_table(path)
            labels, student, ensemble = (
                np.array([classes.index(row[column]) for row in rows], dtype=np.int64)
                for column in ("actual", "student", "ensemble")
            )
            student_confidence, ensemble_confidence = (
                np.array([float(row[f"{who}_confidence"]) for row in rows]) for who in ("student", "ensemble")
            )
            keys = tuple(row["key"] for row in rows)
        except (ErktError, ValueError, KeyError) as error:
            raise ErktError(f"{path}: not readable as predictions ({error}); run dvc repro") from None
        if not keys:
            raise ErktError(f"{path}: holds no predictions; run dvc repro")
        return cls(classes, keys, labels, student, student_confidence, ensemble, ensemble_confidence)

    def confusion(self) -> NDArray[np.int64]:
        """Return the student's confusion matrix (C, C): row = true class, column = choice."""
        from sklearn.metrics import confusion_matrix  # a second, which stages that need none are spared

        return np.asarray(confusion_matrix(self.labels, self.student, labels=range(len(self.classes))))

    def hardest(self, count: int) -> list[int]:
        """Return the ``count`` classes of lowest recall that have a wrong prediction, the hardest first."""
        matrix = self.confusion()
        hits, support = matrix.diagonal(), matrix.sum(axis=1)
        order = np.argsort(hits / np.maximum(support, 1), kind="stable")
        return [int(label) for label in order if hits[label] < support[label]][:count]

    def surest(self, label: int, *, right: bool) -> int | None:
        """Return the place of the image of ``label`` of which the student is surest, and right or wrong."""
        of_kind = np.flatnonzero((self.labels == label) & ((self.student == label) == right))
        return int(of_kind[self.student_confidence[of_kind].argmax()]) if len(of_kind) else None

    def listed(self) -> list[tuple[str, int]]:
        """Return key and true class of every image, in the order of the table."""
        return list(zip(self.keys, self.labels.tolist(), strict=True))

    def first_of_each(self, count: int) -> list[tuple[str, int]]:
        """Return key and true class of the first ``count`` images of each class, in the table's order."""
        listed = self.listed()
        return [listed[place] for place in first_of_each(self.labels, count)]


def first_of_each(labels: Labels, count: int) -> Labels:
    """Return the places of the first ``count`` images of each class in ``labels`` (N,), in their order."""
    firsts = [np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]
    return np.sort(np.concatenate(firsts))
