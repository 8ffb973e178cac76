"""dvc repro with nothing changed, on as many images as NWPU-RESISC45 has. A limit in seconds, not a race."""

import time
from pathlib import Path

import pytest
import yaml

from benchmarks.conftest import Bench

IMAGES, BLOCKS, LIMIT = 31_500, 10, 5.0


def test_noop(bench: Bench, tmp_path: Path) -> None:
    """The whole pipeline once on 31,500 small images, then again with nothing to do."""
    if bench.quick:
        pytest.skip("the short version makes no large dataset")
    pytest.importorskip("dvc")
    from pipeline import Clone

    clone = Clone(tmp_path)
    classes = 14
    clone.params["dataset"]["scenes"] |= {"per_class": IMAGES // classes, "side": 16}
    clone.params["prepare"]["side"] = 16
    clone.params["split"]["train_percent"] = 10
    clone.params["cache"]["blocks"] = list(range(BLOCKS))
    clone.params["distill"]["recipe"]["epochs"] = BLOCKS
    clone.write_params()
    ran = clone.repro(*yaml.safe_load((tmp_path / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    assert "summarize" in ran

    ratios = []
    for _ in range(bench.rounds):
        started = time.perf_counter()
        done = clone.python("-m", "dvc", "repro")
        ratios.append(LIMIT / (time.perf_counter() - started))
        assert "Data and pipelines are up to date" in done.stdout
    note = f"{len(ran)} cells, {IMAGES:,} images"
    bench.add("noop", f"{LIMIT:g} s", ratios, dtype="", note=note)
