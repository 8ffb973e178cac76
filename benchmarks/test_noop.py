"""dvc repro with nothing changed, with all cells of the paper's NWPU-RESISC45 protocol. In seconds."""

import time
from pathlib import Path

import pytest

from benchmarks import paper
from benchmarks.session import Bench
from erkt.pipeline.cells import all_cells

LIMIT = 5.0


def test_noop(bench: Bench, tmp_path: Path) -> None:
    """Three seeds, three teachers, six blocks: each cell's outputs are there, and dvc.lock holds them.

    Nothing is computed, since DVC does not look into what it compares: outputs are small files. Images are
    one file, whose size does not count either.
    """
    if bench.quick:
        pytest.skip("the short version makes no large pipeline")
    pytest.importorskip("dvc")
    from clone import Clone

    clone = Clone(tmp_path)
    clone.params = paper.PARAMS
    clone.write_params()
    cells = all_cells(clone.params)
    for number, cell in enumerate(cells):
        for path in cell.outputs():
            made = tmp_path / path if path.suffix else tmp_path / path / "content"
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text(f"{number} {path}\n", encoding="utf-8")
    done = clone.python("-m", "dvc", "commit", "--force")
    assert done.returncode == 0, done.stderr

    seconds = []
    for _ in range(bench.rounds):
        started = time.perf_counter()
        done = clone.python("-m", "dvc", "repro")
        seconds.append(time.perf_counter() - started)
        assert "Data and pipelines are up to date" in done.stdout, done.stdout + done.stderr
    started = time.perf_counter()
    clone.python("-m", "dvc", "--version")
    note = f"{len(cells)} cells; DVC alone starts in {time.perf_counter() - started:.1f} s"
    bench.add("noop", f"{LIMIT:g} s", [LIMIT / taken for taken in seconds], dtype="", note=note)
