"""Peak memory of training, caching, distilling and evaluating on images as many and large as NWPU-RESISC45's.

A limit in bytes, not a race: the ratio is the limit over the most that any of the paper's networks took.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import paper
from benchmarks.memory import LIMITS
from benchmarks.session import Bench

IMAGES, SIDE = 31_500, 256
_ALL, _OWN = tuple(paper.TEACHERS.values()), (paper.STUDENT,)
_LITTLE = ("evaluate, 30 at once", "cache, 30 at once", "distill, recompute", "train, recompute, bf16")
WORK = {
    "evaluate": ("evaluate", _ALL, ()),
    "evaluate, 30 at once": ("evaluate", _ALL, ("--recompute", "--batch", "30")),
    "cache": ("cache", _ALL, ()),
    "cache, 30 at once": ("cache", _ALL, ("--recompute", "--batch", "30")),
    "distill": ("distill", _OWN, ()),
    "distill, recompute": ("distill", _OWN, ("--recompute",)),
    "train": ("train", _ALL, ()),
    "train, recompute": ("train", _ALL, ("--recompute",)),
    "train, recompute, bf16": ("train", _ALL, ("--recompute", "--precision", "bf16")),
}
"""Each kind of work as the paper's presets have it, and with those for little memory, which keep it."""


@pytest.mark.parametrize("name", WORK)
def test_memory(name: str, bench: Bench, tmp_path: Path) -> None:
    """Made images in a file that is mapped into memory, as prepared ones are."""
    if bench.quick:
        pytest.skip("the short version makes no large array")
    np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (IMAGES, 3, SIDE, SIDE)).flush()
    kind, archs, options = WORK[name]
    peaks = {arch.partition(".")[0]: _peak(tmp_path, kind, arch, *options) for arch in archs}
    limit = LIMITS[bench.device.type]
    note = ", ".join(f"{arch} {peak / 1e9:.2f} GB" for arch, peak in peaks.items())
    row = "memory" if name in _LITTLE else "memory as it is"
    dtype, ratios = "bf16" if "bf16" in name else "fp32", [limit / max(peaks.values())]
    bench.add(
        row, f"{name}, {limit / 1e9:g} GB", ratios, size=SIDE, batch=paper.BATCH, dtype=dtype, note=note
    )


def _peak(folder: Path, kind: str, arch: str, *options: str) -> int:
    command = [sys.executable, "-m", "benchmarks.memory", str(folder), kind, arch, *options]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
