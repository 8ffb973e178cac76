"""What DVC does with this project's own view of it, on a pipeline of two stages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from closure import ROOT
from dvc.utils.serialize import loads_yaml

from erkt.errors import ErktError
from erkt.pipeline.dvc_repository import forget_lost, without_lost, write_cells
from erkt.pipeline.lock import read_cells

PIPELINE = """
stages:
  first: {cmd: cp given first, deps: [given], outs: [first]}
  second: {cmd: cp first second, deps: [first], outs: [second]}
  other: {cmd: echo other > other, deps: [given], outs: [other]}
"""
FOREIGN = "f" * 32


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository in which all stages have run."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "given").write_text("given")
    subprocess.run(["git", "init", "-q", folder], check=True)
    dvc("--cd", str(folder), "init", "--quiet")
    assert ran(dvc("--cd", str(folder), "repro")) == 3
    return folder


@pytest.fixture
def repository(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of it, where the test then is."""
    monkeypatch.chdir(shutil.copytree(finished, tmp_path / "copy"))
    return tmp_path / "copy"


def dvc(*words: str) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(
        command, env=own | {"DVC_NO_ANALYTICS": "1"}, check=True, capture_output=True, text=True
    )
    return done.stdout


def forget_with_remote(*targets: str) -> None:
    """As a cell does it: in a process of its own, in which DVC has opened no other repository."""
    script = (
        "import sys; from erkt.pipeline.dvc_repository import forget_lost as f; f(sys.argv[1:], remote=True)"
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
    command = [sys.executable, "-c", script, *targets]
    subprocess.run(command, env=own | {"DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(ROOT)}, check=True)


def ran(printed: str) -> int:
    return printed.count("Running stage")


def test_what_the_cache_lost_is_found_among_the_runs_that_dvc_remembers(repository: Path) -> None:
    recorded = (repository / "dvc.lock").read_text()
    lock = yaml.safe_load(recorded)
    own = lock["stages"]["first"]["outs"][0]["md5"]
    (repository / "dvc.lock").write_text(
        recorded.replace(
            f"path: first\n      hash: md5\n      md5: {own}",
            f"path: first\n      hash: md5\n      md5: {FOREIGN}",
        )
    )
    for name in ("first", "second"):
        (repository / name).unlink()
    forget_lost(["second"], remote=False)
    assert yaml.safe_load((repository / "dvc.lock").read_text())["stages"].keys() == {"second", "other"}
    assert ran(dvc("repro")) == 0
    assert yaml.safe_load((repository / "dvc.lock").read_text()) == lock
    assert (repository / "second").read_text() == "given"


def lose_all(repository: Path) -> None:
    for cached in (repository / ".dvc/cache/files/md5").glob("*/*"):
        cached.unlink()


def stages_of(repository: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((repository / "dvc.lock").read_text())["stages"])


def test_the_record_is_as_before_in_the_end(repository: Path) -> None:
    recorded = (repository / "dvc.lock").read_text()
    lose_all(repository)
    with without_lost():
        assert stages_of(repository) == {}
    assert (repository / "dvc.lock").read_text() == recorded
    assert list((repository / ".dvc/tmp/erkt").iterdir()) == []


def test_a_cell_that_was_recorded_anew_stays_and_the_others_are_there_again(repository: Path) -> None:
    before = stages_of(repository)
    lose_all(repository)
    (repository / "other").unlink()
    with without_lost():
        (repository / "given").write_text("anew")
        assert ran(dvc("repro", "--quiet", "other")) == 0  # it says nothing, but runs
    after = stages_of(repository)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {"other"}


def test_what_a_killed_process_had_taken_out_is_put_back_by_the_next(repository: Path) -> None:
    recorded = (repository / "dvc.lock").read_text()
    lose_all(repository)
    script = (
        "import os; from erkt.pipeline.dvc_repository import without_lost\nwith without_lost(): os._exit(9)"
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
    done = subprocess.run([sys.executable, "-c", script], env=own | {"PYTHONPATH": str(ROOT)}, check=False)
    assert (done.returncode, stages_of(repository)) == (9, {})
    with without_lost():
        assert stages_of(repository) == {}
    assert (repository / "dvc.lock").read_text() == recorded


def test_texts_that_look_like_numbers_to_dvc_stay_texts(repository: Path) -> None:
    texts = ["12e34567", "0128", "1234567890123456789012345678e012", "~", "", "1e5", "true"]
    cells = {"x": {"cmd": "x", "params": {"params.yaml": {f"p{n}": text for n, text in enumerate(texts)}}}}
    write_cells(cells)
    assert loads_yaml((repository / "dvc.lock").read_text())["stages"] == cells
    assert read_cells(Path("dvc.lock")) == cells


def test_a_full_disk_leaves_the_record_whole(repository: Path) -> None:
    recorded = (repository / "dvc.lock").read_text()
    lose_all(repository)
    script = (
        "import resource, signal; from erkt.pipeline.dvc_repository import _lost, _take_out; "
        "names = _lost([], remote=False); signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); _take_out(names - {'other'})"
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=own | {"PYTHONPATH": str(ROOT)}, check=False, capture_output=True
    )
    assert b"File too large" in done.stderr
    assert (repository / "dvc.lock").read_text() == recorded


def test_a_damaged_record_is_one_line_and_stays(repository: Path) -> None:
    (repository / "dvc.lock").write_bytes(b"stages:\n  \xb0")
    with pytest.raises(ErktError, match=r"^DVC: "), without_lost():
        pass
    assert (repository / "dvc.lock").read_bytes() == b"stages:\n  \xb0"


def test_without_a_record_there_is_none_in_the_end(repository: Path) -> None:
    (repository / "dvc.lock").unlink()
    with without_lost():
        pass
    assert not (repository / "dvc.lock").exists()


def test_what_the_cache_has_stays_recorded(repository: Path) -> None:
    recorded = (repository / "dvc.lock").read_text()
    (repository / "first").unlink()
    for targets in (["second"], []):
        forget_lost(targets, remote=False)
        assert (repository / "dvc.lock").read_text() == recorded


def test_what_a_remote_has_is_not_lost(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    dvc("remote", "add", "--default", "team", str(tmp_path_factory.mktemp("remote")))
    dvc("push", "--quiet", "first", "second")
    recorded = (repository / "dvc.lock").read_text()
    for cached in (repository / ".dvc/cache/files/md5").glob("*/*"):
        cached.unlink()
    forget_with_remote("second")
    assert (repository / "dvc.lock").read_text() == recorded
    forget_with_remote()
    assert yaml.safe_load((repository / "dvc.lock").read_text())["stages"].keys() == {"first", "second"}
