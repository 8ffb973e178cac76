"""The claims page: what each row is computed from, and what it says where nothing has run."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from erkt.errors import ErktError
from erkt.pipeline.experiments import claims
from erkt.pipeline.experiments.claims import Ablation
from erkt.pipeline.experiments.comparison import Result

IMAGES = tuple(map(str, range(1000)))
SEEDS = (0, 1, 2)


def result(shares: tuple[float, ...], gmacs: float, run: str) -> Result:
    hits = {seed: np.arange(1000) < 1000 * share for seed, share in zip(SEEDS, shares, strict=True)}
    oa = {seed: 100 * float(own.mean()) for seed, own in hits.items()}
    images, ensemble = dict.fromkeys(SEEDS, IMAGES), {0: 90.0, 1: 91.0, 2: 92.0}
    return Result(run, oa, ensemble, hits, images, "images", 10, 10, gmacs, run, "base")


class Kept:
    """A run whose files are its own numbers."""

    def __init__(self, by_seed: tuple[float | None, ...]) -> None:
        self.by_seed = by_seed

    def rows(self, path: Path, cell: Any) -> list[dict[str, float | None]]:
        assert path == Path(f"metrics/measure/{cell.coordinates['seed']}.json")
        return [dict.fromkeys(claims._VARIANCES, self.by_seed[int(path.stem)])]


RESULTS = {
    "erkt": result((0.898, 0.909, 0.917), 2.0, "erkt"),
    "dist": result((0.889, 0.9, 0.908), 2.0, "dist"),
    "dist5": result((0.898, 0.906, 0.92), 9.0, "dist5"),
}
RUNS = {"erkt": Kept((0.2, 0.21, 0.22)), "dist": Kept((0.3, 0.31, 0.32)), "dist5": Kept((1, 1, 1))}
WHOLE = Ablation(RUNS, {row: {"seeds": list(SEEDS)} for row in RUNS}, RESULTS)  # type: ignore[arg-type]
NOTHING = Ablation({}, {}, {})


def test_gap_gain_and_cost_are_those_of_the_rows() -> None:
    assert claims.gap(WHOLE).startswith("+0.20 points [")
    assert claims.gain(WHOLE) == "+0.90 [+0.90, +0.90]: higher"
    assert claims.cheaper(WHOLE).startswith("78 % fewer multiply-accumulates; OA +0.00 [")
    assert claims.cheaper(WHOLE).endswith(": no difference shown")


def test_variances_are_those_with_the_module_less_those_without() -> None:
    for name in claims._VARIANCES:
        text = claims.suppressed(WHOLE, name)
        assert text == "0.21 with it, 0.31 without: -0.1 [-0.1, -0.1]: lower"


def test_one_view_has_no_variance_and_says_so() -> None:
    one = Ablation(RUNS | {"erkt": Kept((None,) * 3)}, WHOLE.params, RESULTS)  # type: ignore[arg-type]
    with pytest.raises(ErktError, match="one view has no variance"):
        claims.suppressed(one, "probabilities_across_views")


@pytest.mark.parametrize(
    "claim", [claims.gap, claims.gain, claims.cheaper, partial(claims.suppressed, name="x")]
)
def test_what_has_not_run_is_said(claim: Any) -> None:
    with pytest.raises(ErktError, match="not run: "):
        claim(NOTHING)


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
