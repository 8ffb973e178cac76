"""Tables 1 and 2 as the presets have them are the paper's; a side of a network's own is told, or refused."""

import argparse
import csv
from pathlib import Path

import pytest
from closure import ROOT

from erkt.errors import ErktError
from erkt.files.yaml_file import read_yaml
from erkt.networks.macs import count
from erkt.pipeline.commands import describe, report, speed
from erkt.pipeline.commands.describe import networks, operations
from erkt.pipeline.experiments import claims

PAPERS = sorted(
    path.stem
    for name in ("aid30", "nwpu45", "afgr50")
    for path in (ROOT / "presets").glob(f"{name}-tr*.yaml")
)


@pytest.mark.parametrize("preset", PAPERS)
def test_the_papers_presets_have_the_papers_operations_and_networks(preset: str) -> None:
    params = read_yaml(ROOT / f"presets/{preset}.yaml")
    table = operations(params)
    assert [row["operation"] for row in table] == list(params["vsm"]), "not in the order of application"
    for row in table:
        assert row["p of the module (vsm)"] == row["paper: p"]
    rows = {row["role"]: row for row in networks(params)}
    assert list(rows) == [*params["teachers"], "ensemble", "student"]
    for name in (*params["teachers"], "student"):
        assert float(str(rows[name]["parameters (M)"])) == rows[name]["paper: parameters (M)"]
    assert rows["ensemble"]["parameters (M)"] == "43.1"


def test_a_side_of_its_own_stands_beside_the_cost() -> None:
    params = read_yaml(ROOT / "tests/tiny.yaml")
    params["student"]["side"] = 96
    *_, student = networks(params)
    assert student["GMAC at 224 px"] == f"{count('test_byobnet', 1000, 96)[0] / 1e9:.2f} at 96 px"


def test_the_table_of_times_refuses_a_side_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    params = read_yaml(ROOT / "tests/tiny.yaml")
    params["teachers"]["one"]["network"]["options"] = {"img_size": 32}
    monkeypatch.setattr(speed, "find_preset", lambda name: params)
    with pytest.raises(ErktError, match=r"^teachers\.one\.network: the table takes .* use another --preset$"):
        speed.run(argparse.Namespace(preset="tiny", batch=1, rounds=1))


def test_times_and_sizes_of_a_preset_are_kept_where_pages_and_claims_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The paper's other networks are left out, for time."""
    monkeypatch.chdir(tmp_path)
    params = read_yaml(ROOT / "tests/tiny.yaml")
    for module in (speed, describe):
        monkeypatch.setattr(module, "find_preset", lambda name: params)
    monkeypatch.setattr(speed, "PAPER", {name: speed.PAPER[name] for name in ("student", "ensemble")})
    assert speed.run(argparse.Namespace(preset="tiny", batch=1, rounds=1)) == 0
    table = tmp_path / "results/tiny/table8.csv"
    assert "python -m erkt speed --batch 1 --rounds 1 --preset tiny" in table.with_suffix(".md").read_text()
    found = report._speed(table, params)
    assert (found.side, found.batch) == (params["prepare"]["side"], 1)
    assert found.ensemble > 0 < found.student
    sizes = {row["network"]: int(row["parameters"]) for row in csv.DictReader(table.open(encoding="utf-8"))}
    fewer = 100 * (1 - sizes["student"] / sizes["ensemble"])
    assert claims.smaller("tiny").endswith(f"{fewer:.0f} % fewer parameters")
    assert describe.run(argparse.Namespace(preset="tiny")) == 0
    assert "The operations of the views (Table 1)" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "results/tiny/table2.csv").open(encoding="utf-8")))
    assert [row["role"] for row in rows] == [*params["teachers"], "ensemble", "student"]
