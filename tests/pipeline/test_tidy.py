"""Strays in folders that many cells fill: gone, and nothing else."""

from pathlib import Path

import pytest
import yaml
from clone import TINY
from closure import ROOT

from erkt.pipeline import paths
from erkt.pipeline.cells import all_cells
from erkt.pipeline.tidy import remove_strays

STRAYS = {
    "data/exports/7/model.onnx": "data/exports/7",
    "data/teachers/0/former/weights.safetensors": "data/teachers/0/former",
    "data/teaching/0/one/9/logits.npy": "data/teaching/0/one/9",
    "metrics/evaluate/1.json": "metrics/evaluate/1.json",
    "metrics/evaluate_teacher/0-former.json": "metrics/evaluate_teacher/0-former.json",
}
"""Files that no cell makes, and what goes with each."""

OTHERS = (
    "data/README.md",
    "metrics/bench.json",
    "metrics/environment/split-0.json",
    "results/literature.csv",
)
"""Files that no cell reads as part of a folder."""


def test_what_no_cell_makes_is_removed_and_all_else_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "PIPELINE", ROOT / "dvc.yaml")
    params = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    cells = all_cells(params)
    outs = {out.as_posix() for cell in cells for out in cell.outputs()}
    inside = {"data/teachers/0/one/weights.safetensors", "data/teaching/0/one/0/logits.npy"}  # of outputs
    for name in {*outs, *OTHERS} - {"data/teachers/0/one", "data/teaching/0/one/0"} | inside | {*STRAYS}:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)

    def files() -> set[str]:
        return {path.as_posix() for path in Path().rglob("*") if path.is_file()}

    before = files()
    (summarize,) = [cell for cell in cells if cell.stage == "summarize"]
    metrics = [stray for stray in STRAYS if stray.startswith("metrics/")]
    assert [path.as_posix() for path in remove_strays(params, [summarize])] == metrics
    assert files() == before - {*metrics}
    assert {path.as_posix() for path in remove_strays(params, cells)} == {*STRAYS.values()} - {*metrics}
    assert files() == before - {*STRAYS}
    assert remove_strays(params, cells) == []
