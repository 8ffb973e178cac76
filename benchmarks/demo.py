"""`make demo` now and at an earlier commit, in turns, each in a fresh clone, without an installation.

    python -m benchmarks.demo COMMIT [--keep FOLDER]

Adds a pair to metrics/demo-turns.json: of both runs the commit, seconds and OA, and their ratio, above 1
where HEAD is faster. Every other pair begins with COMMIT. FOLDER gets the clone of HEAD, with what its demo
made.
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

from erkt.files.json_file import read_json, read_records, write_json
from erkt.pipeline import paths

_FOUND = paths.METRICS / "demo-turns.json"


def main() -> None:
    """Run a pair and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    if options.keep is not None and options.keep.exists():
        parser.error(f"--keep {options.keep}: is there already; name a new folder")
    try:
        commits = {"before": _commit(options.commit), "now": _commit("HEAD")}
    except subprocess.CalledProcessError:
        parser.error(f"{options.commit}: no commit of this repository")
    pairs = read_records(_FOUND) if _FOUND.exists() else []
    order = ("before", "now") if len(pairs) % 2 else ("now", "before")
    with tempfile.TemporaryDirectory() as scratch:
        folders = {"before": Path(scratch, "before"), "now": options.keep or Path(scratch, "now")}
        runs = {name: _demo(commits[name], folders[name]) for name in order}
    ratio = round(runs["before"]["seconds"] / runs["now"]["seconds"], 3)
    cpu = cpuinfo.get_cpu_info().get("brand_raw", platform.machine())
    machine = {"cpu": cpu, "threads": torch.get_num_threads(), "torch": torch.__version__}
    pairs.append({"ratio": ratio, "now": runs["now"], "before": runs["before"]} | machine)
    write_json(_FOUND, pairs)
    print(_FOUND.read_text(encoding="utf-8"))


def _demo(commit: str, folder: Path) -> dict[str, Any]:
    subprocess.run(["git", "clone", "--quiet", ".", folder], check=True)
    subprocess.run(["git", "-C", folder, "checkout", "--quiet", commit], check=True)
    started = time.perf_counter()
    done = subprocess.run(
        ["make", f"PY={sys.executable}", "demo"], cwd=folder, check=False, stdout=sys.stderr
    )
    if done.returncode:
        sys.exit(f"make demo failed at {commit}, after what is above; nothing is written")
    seconds = round(time.perf_counter() - started, 1)
    summary = read_json(folder / paths.SUMMARY)
    oa = {name: round(summary[name]["oa"]["mean"], 2) for name in ("student", "ensemble")}
    return {"commit": commit, "seconds": seconds} | oa


def _commit(name: str) -> str:
    command = ["git", "rev-parse", "--verify", "--quiet", "--short=7", f"{name}^{{commit}}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
