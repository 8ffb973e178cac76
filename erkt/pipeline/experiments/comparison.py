"""The rows of an experiment's table: mean and deviation over seeds, paired differences."""

from collections.abc import Mapping, Sequence
from typing import Any

from erkt.errors import ErktError
from erkt.evaluation import paired
from erkt.evaluation.paired import Difference
from erkt.evaluation.summary import spread
from erkt.pipeline.experiments.measured import Student
from erkt.pipeline.experiments.runs import Together


def on_shared_images(students: Mapping[str, Student]) -> dict[str, Student]:
    """Return the students on the test images that all of them have, where these are not the same.

    Images that a student learns from without their labels are drawn out of the test part of the others.
    Raises ErktError if the students have other seeds, or no image in common.
    """
    first, *others = students.values()
    if all(other.images == first.images for other in others):
        return dict(students)
    shared = {}
    for seed, keys in first.images.items():
        common = set(keys).intersection(*(other.images.get(seed, ()) for other in others))
        if not common:
            raise ErktError(f"the rows of this table share no test image at seed {seed}")
        shared[seed] = tuple(key for key in keys if key in common)
    return {name: student.on(shared) for name, student in students.items()}


def against_ensembles(students: Mapping[str, Student], planned: int | None = None) -> dict[str, Difference]:
    """Return each student minus the ensemble of its own teachers, by row.

    Rows whose ensembles have the same OA at every seed share one, and are one table of differences. The level
    is corrected for ``planned`` rows, or for those that are here; so in all of these functions.

    Raises ErktError as ``differences`` does.
    """
    tables: dict[tuple[tuple[int, float], ...], dict[str, Student]] = {}
    for name, one in students.items():
        tables.setdefault(tuple(one.ensemble.items()), {})[name] = one
    compared = [
        (next(iter(table.values())).ensemble_scores(), {row: one.scores() for row, one in table.items()})
        for table in tables.values()
    ]
    return {row: found for table in paired.in_tables(compared, planned) for row, found in table.items()}


def differences(
    students: Mapping[str, Student], reference: str, planned: int | None = None
) -> dict[str, Difference]:
    """Return each student minus that of the row ``reference``, by row; none without that row.

    Raises ErktError if two have other seeds, other test images, or images of other content.
    """
    return _minus([students], [reference], planned)


def differences_by_steps(
    students: Mapping[str, Student], reference: str, planned: int | None = None
) -> dict[str, Difference]:
    """Return each student minus that labelled ``reference`` with as many steps, by row, where there is one.

    Raises ErktError if two have one label and as many steps, and as ``differences`` does.
    """
    tables: dict[int | None, dict[str, Student]] = {}
    for name, student in students.items():
        table = tables.setdefault(student.steps, {})
        for other, there in table.items():
            if there.label == student.label:
                raise ErktError(f"rows {other} and {name}: both are {student.label} at {student.steps} steps")
        table[name] = student
    firsts = [
        next((name for name, student in table.items() if student.label == reference), "")
        for table in tables.values()
    ]
    return _minus(list(tables.values()), firsts, planned)


def list_students(
    students: Mapping[str, Student],
    minus: Mapping[str, Difference],
    below: Mapping[str, Difference],
    paper: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return one row a student, by row name.

    ``minus`` are the differences to a reference, of rows that have one, ``below`` those to the ensembles.
    """
    return [
        {"row": name, "label": student.label}
        | _over_seeds(student.oa)
        | {"paper": paper.get(name), "ensemble": spread(list(student.ensemble.values()))["mean"]}
        | (minus[name].row() if name in minus else dict.fromkeys(paired.COLUMNS))
        | {f"ensemble_{key}": value for key, value in below[name].row().items()}
        | {"steps": student.steps}
        | {"student_passes": student.student_passes, "teacher_passes": student.teacher_passes}
        | {"gmacs": student.gmacs, "run": student.run, "base": student.base}
        for name, student in students.items()
    ]


def validated_row(row: str, label: str, oa: Mapping[int, float], run: Together) -> dict[str, Any]:
    """Return a row of a search: mean and deviation of ``oa`` over the seeds, and where it comes from."""
    return {"row": row, "label": label} | _over_seeds(oa) | {"run": run.name, "base": run.base}


def list_networks(summary: Mapping[str, Any], paper: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return one row a network of a run's summary: its parameters, OA in percent, the paper's OA."""
    named = {**summary["teachers"], "ensemble": summary["ensemble"], "student": summary["student"]}
    return [
        {"network": name, "parameters": numbers["parameters"]}
        | _named(numbers["oa"])
        | {"paper": paper.get(name)}
        for name, numbers in named.items()
    ]


def list_weights(by_seed: Mapping[int, Sequence[Mapping[str, str]]]) -> list[dict[str, Any]]:
    """Return one row a candidate of the ensemble's weights, its OA over the seeds.

    ``by_seed`` holds the same candidates in the same order for each seed: ``lead``, a weight a member, OA.
    """
    rows = []
    for candidates in zip(*by_seed.values(), strict=True):
        given = {name: value for name, value in candidates[0].items() if name not in ("lead", "oa", "nll")}
        oa = {seed: float(row["oa"]) for seed, row in zip(by_seed, candidates, strict=True)}
        weights = {name: float(value) for name, value in given.items()}
        rows.append({"lead": candidates[0]["lead"] or None} | weights | _over_seeds(oa))
    return rows


def with_deviation(row: Mapping[str, Any]) -> str:
    """Return a row's OA as the paper prints it."""
    return f"{row['oa']:.2f}" + ("" if row["std"] is None else f" ± {row['std']:.2f}")


def _minus(
    tables: Sequence[Mapping[str, Student]], firsts: Sequence[str], planned: int | None
) -> dict[str, Difference]:
    """Return the differences in ``tables`` to their rows ``firsts``; none in a table without its row."""
    compared = []
    for table, name in zip(tables, firsts, strict=True):
        if name in table:
            others = {other: student for other, student in table.items() if other != name}
            for student in others.values():
                if student.data != table[name].data:
                    runs = f"{student.run} and {table[name].run}"
                    raise ErktError(f"{runs} were made from images of other content")
            compared.append((table[name].scores(), {row: other.scores() for row, other in others.items()}))
    return {row: found for table in paired.in_tables(compared, planned) for row, found in table.items()}


def _named(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {"oa": numbers["mean"], "std": numbers["std"], "runs": numbers["runs"]}


def _over_seeds(by_seed: Mapping[int, float]) -> dict[str, Any]:
    each = " ".join(f"{seed}:{value:.4f}" for seed, value in sorted(by_seed.items()))
    return _named(spread(list(by_seed.values()))) | {"oa_by_seed": each}
