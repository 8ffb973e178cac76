"""A whole run, stage by stage: none loads or writes a pickle."""

import os
import pickle
from pathlib import Path

import pytest
from clone import Clone, finished_clone
from closure import ROOT

from erkt.pipeline.cells import Cell, all_cells

HOOK = ROOT / "tests/pickled"
HARMLESS = (
    # Between the process that draws scenes and its own children, through pipes that nobody else has.
    *(f"concurrent.futures.process.{name}" for name in ("_CallItem", "_ResultItem", "_process_chunk")),
    "multiprocessing.reduction._rebuild_partial",
    "erkt.scenes.archive._png",
    "download: writes builtins.NoneType",
    "writes builtins.int",  # and what Jinja compares versions with, when it is imported
)


def noted(clone: Clone, log: Path, *arguments: str) -> list[str]:
    """Return what running Python with ``arguments`` in the clone loads or writes as a pickle."""
    log.unlink(missing_ok=True)
    path = f"{HOOK}{os.pathsep}{clone.folder}"
    done = clone.python(*arguments, PYTHONPATH=path, PICKLED=str(log), ERKT_INFLIGHT=str(log.parent / "in"))
    assert done.returncode == 0, done.stderr
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.slow
def test_no_stage_loads_or_writes_a_pickle(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone, _ = finished_clone(tmp_path_factory)
    (tmp_path / "harm").write_bytes(pickle.dumps(Path("x")))
    code = f"import pickle; pickle.dumps(1); pickle.load(open({str(tmp_path / 'harm')!r}, 'rb'))"
    seen = noted(clone, tmp_path / "log", "-c", code)
    assert [line.rpartition(": ")[2] for line in seen] == ["writes builtins.int", "loads pathlib.PosixPath"]
    assert not seen[1].endswith(HARMLESS)
    monkeypatch.chdir(clone.folder)
    cells: list[Cell] = all_cells(clone.params)
    assert {cell.stage for cell in cells} >= {"prepare", "train_teacher", "cache_logits", "distill", "export"}
    found = []
    for cell in cells:
        words = [word for name, value in cell.coordinates.items() for word in (f"--{name}", value)]
        found += noted(clone, tmp_path / "log", "-m", "erkt", "stage", cell.stage, *words)
    assert [line for line in found if not line.endswith(HARMLESS)] == []
