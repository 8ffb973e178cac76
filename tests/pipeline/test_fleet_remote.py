"""Workers that share nothing with the head but DVC's remote and git."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from clone import Clone, finished_clone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'erkt[fleet]'"),
]


def test_results_travel_by_the_remote_and_images_by_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected, _ = finished_clone(tmp_path_factory)
    (tmp_path / "clone").mkdir()
    clone = Clone(tmp_path / "clone")
    words = ["fleet", "repro", "summarize", "--workers", "2", "--remote", "--clones", str(tmp_path / "there")]
    done = clone.python("-m", "erkt", *words)
    assert (done.returncode, done.stderr) == (
        1,
        "error: --remote: DVC has no default remote; dvc remote add --default NAME PLACE, and commit\n",
    )
    clone.python("-m", "dvc", "remote", "add", "--default", "team", str(tmp_path / "remote"))
    clone.commit("a remote")

    done = clone.python("-m", "erkt", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.endswith("not found in the cache, and made here again: download, prepare\n")
    assert not (clone.folder / ".inflight").exists()
    lock, other = (yaml.safe_load((one.folder / "dvc.lock").read_text()) for one in (clone, expected))
    assert lock["stages"] == {cell: other["stages"][cell] for cell in lock["stages"]}
    assert len(lock["stages"]) == 13
    made, outputs = clone.outputs(), expected.outputs()
    assert made == {path: outputs[path] for path in made}
    shutil.rmtree(tmp_path / "there")
    assert clone.repro() == set()
