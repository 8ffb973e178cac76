"""`make demo` now and at an earlier commit, in turns, each time in a fresh clone and without an installation.

    python -m benchmarks.demo COMMIT [--pairs 1] [--keep FOLDER]

Writes metrics/demo-turns.json: for every run its commit, seconds and OA; the ratio of each pair, above 1 where HEAD is
faster. FOLDER gets the last clone of HEAD, with what its demo made.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cpuinfo
import torch

from erkt.files import read_json, write_json
from stages import paths

_FOUND = paths.METRICS / "demo-turns.json"


def main() -> None:
    """Run the pairs and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    before, now = (_git("rev-parse", "--short=7", name) for name in (options.commit, "HEAD"))
    runs: list[dict[str, Any]] = []
    ratios: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        for pair in range(options.pairs):
            last = pair + 1 == options.pairs
            kept = options.keep if last and options.keep else Path(scratch, f"now-{pair}")
            runs += [_demo(now, kept), _demo(before, Path(scratch, f"before-{pair}"))]
            ratios.append(round(runs[-1]["seconds"] / runs[-2]["seconds"], 3))
    cpu = cpuinfo.get_cpu_info().get("brand_raw", platform.machine())
    machine = {"cpu": cpu, "threads": torch.get_num_threads(), "torch": torch.__version__}
    write_json(_FOUND, {"ratios": ratios, "runs": runs} | machine)
    print(_FOUND.read_text(encoding="utf-8"))


def _demo(commit: str, folder: Path) -> dict[str, Any]:
    _git("clone", "--quiet", ".", str(folder))
    _git("-C", str(folder), "checkout", "--quiet", commit)
    started = time.perf_counter()
    command = ["make", f"PY={sys.executable}", "demo"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    seconds = round(time.perf_counter() - started, 1)
    summary = read_json(folder / paths.SUMMARY)
    oa = {name: round(summary[name]["oa"]["mean"], 2) for name in ("student", "ensemble")}
    return {"commit": commit, "seconds": seconds} | oa


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
