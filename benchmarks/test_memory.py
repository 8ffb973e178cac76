"""Peak memory of training, caching, distilling and evaluating at the size of NWPU-RESISC45."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import paper
from benchmarks.conftest import Bench
from benchmarks.memory import KINDS

IMAGES, SIDE = 31_500, 256
LIMITS = {"cpu": 2e9, "cuda": 8e9}


def test_memory(bench: Bench, tmp_path: Path) -> None:
    """Made images in a file that is mapped into memory, as prepared ones are."""
    if bench.quick:
        pytest.skip("the short version makes no large array")
    np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (IMAGES, 3, SIDE, SIDE)).flush()
    limit = LIMITS[bench.device.type]
    for kind in KINDS:
        peak = _peak(tmp_path, kind, paper.STUDENT)
        note = f"{peak / 1e9:.2f} GB"
        bench.add(
            "memory", f"{kind}, {limit / 1e9:g} GB", [limit / peak], size=SIDE, batch=paper.BATCH, note=note
        )


def _peak(folder: Path, kind: str, arch: str) -> int:
    command = [sys.executable, "-m", "benchmarks.memory", str(folder), kind, arch]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
