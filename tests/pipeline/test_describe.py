"""Tables 1 and 2 as the presets have them are the paper's; a side of a network's own is told, or refused."""

import argparse

import pytest
from closure import ROOT

from erkt.errors import ErktError
from erkt.files.yaml_file import read_yaml
from erkt.networks.macs import count
from erkt.pipeline.commands import speed
from erkt.pipeline.commands.describe import networks, operations

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
