"""The student beside its ensemble on the test part."""

from collections.abc import Sequence
from typing import Any

from erkt.evaluation.metrics import agreement, headline, report
from erkt.networks.logits import Floats, Integers


def compare(student: Floats, ensemble: Floats, labels: Integers, classes: Sequence[str]) -> dict[str, Any]:
    """Return the ``report`` of ``student`` and ``ensemble``, their ``agreement``, and the ``gap`` in OA.

    Both are logits (N, C), ``labels`` (N,) the classes; all in percent, see ``erkt.evaluation.metrics``.
    """
    reports = {
        "student": report(student, labels, classes),
        "ensemble": report(ensemble, labels, classes),
    }
    return {
        **reports,
        "gap": reports["ensemble"]["oa"] - reports["student"]["oa"],
        "agreement": agreement(student.argmax(axis=1), ensemble.argmax(axis=1)),
    }


def headlines(result: dict[str, Any], parameters: int, weights: dict[str, float]) -> list[dict[str, Any]]:
    """Return one row each for student and ensemble, from ``compare``.

    ``parameters`` are the student's, ``weights`` the ensemble's by member. DVC plots warns where a nested
    value is missing from a row, so the student's is null.
    """
    student = {"network": "student", **headline(result["student"]), "parameters": parameters}
    student |= {"agreement": result["agreement"], "gap": result["gap"], "weights": None}
    return [student, {"network": "ensemble", **headline(result["ensemble"]), "weights": weights}]


def per_class(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row a class with precision, recall and F1 of student and ensemble, from ``compare``."""
    rows = []
    for name, numbers in result["student"]["per_class"].items():
        row = {"class": name, "support": numbers["support"]}
        for who in ("student", "ensemble"):
            own = result[who]["per_class"][name]
            row |= {f"{who}_{what}": own[what] for what in ("precision", "recall", "f1")}
        rows.append(row)
    return rows
