"""Tables 1 and 2 as the presets have them are the paper's."""

import pytest
from closure import ROOT

from erkt.files.yaml_file import read_yaml
from erkt.pipeline.commands.describe import networks, operations

PAPERS = sorted(path.stem for path in (ROOT / "presets").glob("*-tr*.yaml"))


@pytest.mark.parametrize("preset", PAPERS)
def test_the_papers_presets_have_the_papers_operations_and_networks(preset: str) -> None:
    params = read_yaml(ROOT / f"presets/{preset}.yaml")
    for row in operations(params):
        assert row["p of the module (vsm)"] == row["paper: p"]
    rows = {row["role"]: row for row in networks(params)}
    for name in ("efficientnet_b0", "efficientnet_b3", "resnet50", "student"):
        assert float(str(rows[name]["parameters (M)"])) == rows[name]["paper: parameters (M)"]
    assert rows["ensemble"]["parameters (M)"] == "43.1"
    assert list(rows)[-2:] == ["ensemble", "student"]


def test_operations_come_in_the_order_in_which_they_are_applied() -> None:
    params = read_yaml(ROOT / "presets/aid30-tr20.yaml")
    assert [row["operation"] for row in operations(params)] == list(params["vsm"])
