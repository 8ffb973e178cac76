"""``erkt summary`` says whose table it prints, where params have changed since."""

import shutil
from argparse import Namespace
from pathlib import Path

import pytest
from closure import ROOT

from erkt.pipeline.commands import summary


def test_a_table_of_other_params_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "metrics").mkdir()
    for name in ("params.yaml", "dvc.yaml", "dvc.lock", "metrics/summary.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert summary.run(Namespace()) == 0
    same = capsys.readouterr()
    assert "ensemble of teachers" in same.out
    assert same.err == ""
    shutil.copy(ROOT / "presets/own-images.yaml", tmp_path / "params.yaml")
    assert summary.run(Namespace()) == 0
    other = capsys.readouterr()
    assert other.out == same.out
    assert other.err == "this table is of 'scenes': params.yaml has changed since; run dvc repro\n"
    params = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("loss_ratio: 1.0", "loss_ratio: 0.5"))
    assert summary.run(Namespace()) == 0
    assert "params.yaml has changed since" in capsys.readouterr().err, "of a cell above the table"
