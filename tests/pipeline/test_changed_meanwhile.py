"""A stage whose params are edited while it runs: DVC would record its result under the new ones."""

from pathlib import Path

import pytest
from clone import Clone

EDITS = """
from pathlib import Path
from erkt.pipeline.job import Job, Stage

def main(job: Job) -> str:
    Path("data").mkdir(exist_ok=True)
    Path("data/archive").write_text("made")
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("OLD", "NEW"))
    return "done"

STAGE = Stage(main)
"""


@pytest.mark.parametrize(("old", "new", "recorded"), [("side: 16", "side: 24", False), ("# a", "# b", True)])
def test_a_result_is_recorded_only_if_its_params_are_still_there(
    tmp_path: Path, old: str, new: str, recorded: bool
) -> None:
    clone = Clone(tmp_path)
    clone.params["dataset"]["scenes"]["side"] = 16
    clone.write_params()
    params = tmp_path / "params.yaml"
    params.write_text(params.read_text() + "# a comment\n")
    (tmp_path / "stages/download.py").write_text(EDITS.replace("OLD", old).replace("NEW", new))
    done = clone.python("-m", "dvc", "repro", "download")
    assert new in params.read_text()
    assert (done.returncode == 0) == (tmp_path / "dvc.lock").exists() == recorded, done.stderr
    if not recorded:
        assert "error: download: its params, code or inputs changed while it ran" in done.stderr
        assert "Traceback" not in done.stderr
