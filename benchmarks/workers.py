"""The demo by ``dvc repro``, and by ``erkt fleet repro`` with one and two workers, each in a fresh clone.

    python -m benchmarks.workers [--tiny]

Of HEAD. Adds a round to metrics/workers.json: seconds of each, and for the fleets the efficiency, which is
the seconds of dvc repro over workers times seconds. Each cell computes with one thread. Rounds begin with
another one in turn. ``--tiny`` makes the protocol of the tests, prints, and writes nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cpuinfo
import torch
import yaml

from erkt.files.json_file import read_records, write_json
from erkt.files.yaml_file import read_yaml
from erkt.pipeline import paths
from erkt.pipeline.experiments.page import markdown

FOUND = paths.METRICS / "workers.json"
_TINY = Path("tests/tiny.yaml")
_WAYS = {
    "dvc repro": ["dvc", "repro"],
    "erkt fleet, 1 worker": ["erkt", "fleet", "repro", "--workers", "1"],
    "erkt fleet, 2 workers": ["erkt", "fleet", "repro", "--workers", "2"],
}
_WORKERS = {"erkt fleet, 1 worker": 1, "erkt fleet, 2 workers": 2}


def main() -> None:
    """Measure a round and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    tiny = parser.parse_args().tiny
    rounds = read_records(FOUND) if FOUND.exists() else []
    first = len(rounds) % len(_WAYS)
    order = [*_WAYS, *_WAYS][first : first + len(_WAYS)]
    params = read_yaml(_TINY if tiny else paths.PARAMS)
    params["runtime"]["threads"] = 1
    seconds = {way: _seconds(params, _WAYS[way]) for way in order}
    efficiency = {
        way: round(seconds["dvc repro"] / workers / seconds[way], 3) for way, workers in _WORKERS.items()
    }
    machine = {"cpu": cpuinfo.get_cpu_info().get("brand_raw", ""), "cores": os.cpu_count()}
    rounds.append(machine | {"torch": torch.__version__, "seconds": seconds, "efficiency": efficiency})
    if tiny:
        print(json.dumps(rounds[-1], indent=2))
    else:
        write_json(FOUND, rounds)
        print(table(rounds), end="")


def table(rounds: list[dict[str, Any]]) -> str:
    """Return the rounds in Markdown."""
    return markdown(
        [
            {
                "the demo by": way,
                "seconds": ", ".join(f"{one['seconds'][way]:.0f}" for one in rounds),
                "efficiency": ", ".join(f"{one['efficiency'][way]:.0%}" for one in rounds).replace("%", " %")
                if way in _WORKERS
                else "",
            }
            for way in _WAYS
        ]
    )


def _seconds(params: dict[str, Any], command: list[str]) -> float:
    """Return the seconds of a command that makes everything with ``params`` in a clone of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch, "clone")
        git = ["git", "-c", "user.name=benchmark", "-c", "user.email=benchmark"]
        subprocess.run([*git, "clone", "--quiet", ".", clone], check=True)
        (clone / paths.PARAMS).write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
        subprocess.run([*git, "commit", "--quiet", "--all", "--message", "params"], cwd=clone, check=True)
        own = {"PYTHONPATH": str(clone), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=clone, env=os.environ | own, check=False, stdout=sys.stderr
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed, after what is above; nothing is written")
        return round(time.perf_counter() - started, 1)


if __name__ == "__main__":
    main()
