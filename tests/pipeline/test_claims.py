"""The claims page: what each row is computed from, and what it says where nothing has run."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from erkt.errors import ErktError
from erkt.pipeline.experiments import claims, comparison, measured
from erkt.pipeline.experiments.measured import Student

IMAGES = tuple(map(str, range(4000)))
SEEDS = (0, 1, 2)
REACHED = {
    "erkt": ((0.898, 0.9095, 0.9165), 2.0),
    "dist": ((0.858, 0.869, 0.879), 2.0),
    "dist5": ((0.898, 0.906, 0.92), 9.0),
}
"""Test accuracy by seed, and GMAC an image."""

ENSEMBLE = (0.92, 0.93, 0.95)
VARIANCES = {"erkt": (0.2, 0.21, 0.22), "dist": (0.3, 0.312, 0.318)}


def right(shares: tuple[float, ...]) -> tuple[dict[int, float], dict[int, Any]]:
    """Return OA and hits by seed, with the first images classified rightly."""
    hits = {seed: np.arange(4000) < 4000 * share for seed, share in zip(SEEDS, shares, strict=True)}
    return {seed: 100 * float(own.mean()) for seed, own in hits.items()}, hits


def student(name: str) -> Student:
    shares, gmacs = REACHED[name]
    (oa, hits), (ensemble, ensemble_hits) = right(shares), right(ENSEMBLE)
    images = dict.fromkeys(SEEDS, IMAGES)
    return Student(
        name, oa, ensemble, hits, ensemble_hits, images, "images", 100, 10, 10, gmacs, name, "base"
    )


STUDENTS = {name: student(name) for name in REACHED}


def test_gain_and_cost_are_the_differences_of_table_9_turned_around() -> None:
    minus = comparison.differences(STUDENTS, "erkt", 3)  # of all rows that the table plans
    for found, row in ((claims.gain(STUDENTS), "dist"), (claims.cheaper(STUDENTS), "dist5")):
        assert f"{(-minus[row]).shown()}: {(-minus[row]).verdict}" in found
    assert claims.cheaper(STUDENTS).startswith("78 % fewer multiply-accumulates; OA ")
    minus = comparison.differences(STUDENTS, "erkt")
    low, high = minus["dist"].student or (0, 0)
    differences = [100 * np.subtract(REACHED[row][0], REACHED["erkt"][0]) for row in ("dist", "dist5")]
    error = np.sqrt(np.mean([each.var(ddof=1) for each in differences]) / 3)
    # Two rows: eigenvalues 1 and 3, so (1 + 3)^2 / (1 + 9) variances, of 2 degrees of freedom each.
    assert (low, high) == pytest.approx(stats.t.interval(0.975, 3.2, differences[0].mean(), error))


def test_the_gap_is_pooled_over_the_gaps_of_all_students() -> None:
    gaps = [100 * np.subtract(ENSEMBLE, shares) for shares, _ in REACHED.values()]
    error = np.sqrt(np.mean([each.var(ddof=1) for each in gaps]) / 3)
    low, high = stats.t.interval(0.95, 2 * 36 / 18, gaps[0].mean(), error)  # (1 + 1 + 4)^2 / (1 + 1 + 16)
    text = claims.gap(STUDENTS)
    assert text == f"{gaps[0].mean():+.2f} [{low:+.2f}, {high:+.2f}] points: the ensemble is higher"


def test_variances_are_those_with_the_module_less_those_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def agreement(run: Any, name: str) -> dict[int, float]:
        assert name == "logits_within_over_between"
        return dict(zip(SEEDS, VARIANCES[run.name], strict=True))

    monkeypatch.setattr(measured, "agreement", agreement)
    runs: dict[str, Any] = {name: SimpleNamespace(name=name) for name in VARIANCES}
    text = claims.suppressed(runs, "logits_within_over_between")
    differences = np.subtract(VARIANCES["erkt"], VARIANCES["dist"])
    bounds = stats.t.interval(1 - 0.05 / 6, 2, differences.mean(), stats.sem(differences))
    assert text == f"0.21 with it, 0.31 without: -0.1 [{bounds[0]:+.3g}, {bounds[1]:+.3g}]: lower"


@pytest.mark.parametrize(
    "claim", [claims.gap, claims.gain, claims.cheaper, partial(claims.suppressed, name="x")]
)
def test_what_has_not_run_is_said(claim: Any) -> None:
    with pytest.raises(ErktError, match="not run: "):
        claim({})


def test_size_and_time_are_those_of_table_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ErktError, match="not run: python -m erkt speed --preset p"):
        claims.smaller("p")
    path = tmp_path / "results/p/table8.csv"
    path.parent.mkdir(parents=True)
    path.write_text("network,parameters,ratio\nensemble,43.1,4.8\nstudent,5.3,1.0\n")
    assert claims.smaller("p") == "79 % less time, 88 % fewer parameters"
    path.write_text("network,parameters\nensemble,43.1\n")
    with pytest.raises(ErktError, match=r"table8\.csv is not readable"):
        claims.smaller("p")
