"""The claims page: what each row is computed from, and what it says where nothing has run."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from erkt.errors import ErktError
from erkt.pipeline.experiments import claims, measured
from erkt.pipeline.experiments.measured import Student

IMAGES = tuple(map(str, range(1000)))
SEEDS = (0, 1, 2)
REACHED = {
    "erkt": ((0.898, 0.909, 0.917), 2.0),
    "dist": ((0.889, 0.9, 0.908), 2.0),
    "dist5": ((0.898, 0.906, 0.92), 9.0),
}
"""Test accuracy by seed, and GMAC an image."""

VARIANCES = {"erkt": (0.2, 0.21, 0.22), "dist": (0.3, 0.31, 0.32)}
RUNS: dict[str, Any] = {name: SimpleNamespace(name=name) for name in REACHED}


def student(run: Any, label: str) -> Student:
    shares, gmacs = REACHED[run.name]
    hits = {seed: np.arange(1000) < 1000 * share for seed, share in zip(SEEDS, shares, strict=True)}
    oa = {seed: 100 * float(own.mean()) for seed, own in hits.items()}
    images, ensemble = dict.fromkeys(SEEDS, IMAGES), {0: 90.0, 1: 91.0, 2: 92.0}
    return Student(label, oa, ensemble, hits, images, "images", 10, 10, gmacs, run.name, "base")


def test_gap_gain_and_cost_are_those_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "student", student)
    assert claims.gap(RUNS).startswith("+0.20 points [")
    assert claims.gain(RUNS) == "+0.90 [+0.90, +0.90]: higher"
    assert claims.cheaper(RUNS).startswith("78 % fewer multiply-accumulates; OA +0.00 [")
    assert claims.cheaper(RUNS).endswith(": no difference shown")


def test_variances_are_those_with_the_module_less_those_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def agreement(run: Any, name: str) -> dict[int, float]:
        assert name == "logits_within_over_between"
        return dict(zip(SEEDS, VARIANCES[run.name], strict=True))

    monkeypatch.setattr(measured, "agreement", agreement)
    text = claims.suppressed(RUNS, "logits_within_over_between")
    assert text == "0.21 with it, 0.31 without: -0.1 [-0.1, -0.1]: lower"


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
