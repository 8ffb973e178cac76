"""Tables 1 and 2 as the presets have them are the paper's."""

import pytest
from closure import ROOT

from erkt.files.yaml_file import read_yaml
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
