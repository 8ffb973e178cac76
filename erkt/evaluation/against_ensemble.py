"""The student beside its ensemble on the test part."""

from collections.abc import Sequence
from typing import Any

from erkt.data.images import Subset
from erkt.evaluation import metrics
from erkt.networks.logits import Floats, Integers


def compare(student: Floats, teacher: Floats, labels: Integers, classes: Sequence[str]) -> dict[str, Any]:
    """Return the reports of both (see ``erkt.evaluation.metrics.report``), their agreement and the gap in OA, in percent.

    ``student`` and ``teacher``, the ensemble, are logits (N, C), ``labels`` (N,) the classes; ``confusion`` (C, C) counts
    the student's predictions, rows are the true classes.
    """
    reports = {
        "student": metrics.report(student, labels, classes),
        "ensemble": metrics.report(teacher, labels, classes),
    }
    first, second = student.argmax(axis=1), teacher.argmax(axis=1)
    matrix = metrics.confusion_matrix(labels, first, len(classes))
    return {
        **reports,
        "gap": reports["ensemble"]["oa"] - reports["student"]["oa"],
        "agreement": metrics.agreement(first, second),
        "classes": list(classes),
        "confusion": matrix.tolist(),
    }


def headline(report: dict[str, Any]) -> dict[str, float]:
    """Return the figures of a report that stand for the whole: OA, AA, kappa, ECE in percent, and NLL."""
    return {name: report[name] for name in ("oa", "aa", "kappa", "ece", "nll")}


def headlines(result: dict[str, Any], parameters: int, weights: dict[str, float]) -> list[dict[str, Any]]:
    """Return one row each for student and ensemble, from ``compare``.

    ``parameters`` are the student's, ``weights`` the ensemble's by member. DVC plots warns where a nested
    value is missing from a row, so the student's is null.
    """
    student = {"network": "student", **headline(result["student"]), "parameters": parameters}
    student |= {"agreement": result["agreement"], "gap": result["gap"], "weights": None}
    return [student, {"network": "ensemble", **headline(result["ensemble"]), "weights": weights}]


def predictions(test: Subset, *, student: Floats, teacher: Floats) -> list[dict[str, Any]]:
    """Return one row an image: its key, the true class, and class and confidence of student and ensemble.

    ``student`` and ``teacher``, the ensemble, are the logits (N, C) of ``test``.
    """
    sure = [metrics.softmax(scores).max(axis=1) for scores in (student, teacher)]
    chosen = [scores.argmax(axis=1) for scores in (student, teacher)]
    return [
        {
            "key": key,
            "actual": test.classes[test.labels[row]],
            "student": test.classes[chosen[0][row]],
            "student_confidence": float(sure[0][row]),
            "ensemble": test.classes[chosen[1][row]],
            "ensemble_confidence": float(sure[1][row]),
        }
        for row, key in enumerate(test.keys)
    ]


def per_class(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row a class with precision, recall and F1 of student and ensemble, from ``compare``."""
    return [
        {"class": name, "support": numbers["support"]}
        | {
            f"{who}_{what}": result[who]["per_class"][name][what]
            for who in ("student", "ensemble")
            for what in ("precision", "recall", "f1")
        }
        for name, numbers in result["student"]["per_class"].items()
    ]
