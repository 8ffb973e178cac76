"""Break a tiny run in many ways, one after the other, and say what became of each.

    python -m chaos [--seed 0] [--kills 60] [--jobs 2] [--only KIND] [--out chaos.csv]

Prints a line for each fault, and last ``N faults, N survived, 0 lost``. The seed decides which faults there
are; when a kill hits depends on the machine as well. Status 1 if anything was lost.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from clone import Clone

from chaos import damage, kills, limits, surroundings
from chaos.faults import Fault
from chaos.site import Site
from chaos.table import table
from chaos.verdict import Verdict
from erkt.files.csv_file import write_csv
from erkt.seeds import stream


def main() -> int:
    """Run the campaign; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", help="faults of this kind alone")
    parser.add_argument("--out", type=Path, help="a CSV with a row for each fault")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        site = finished(Path(folder) / "site")
        faults = [
            fault
            for fault in all_faults(site, options.seed, options.kills)
            if options.only in (None, fault.kind)
        ]
        verdicts = run(site, faults, Path(folder), options.seed, options.jobs)
    rows = [
        {"kind": fault.kind, "where": fault.where, "survived": str(found.survived), "how": found.line}
        for fault, found in zip(faults, verdicts, strict=True)
    ]
    if options.out:
        write_csv(options.out, rows)
    survived = sum(found.survived for found in verdicts)
    print(f"\n{table(rows)}\n{len(faults)} faults, {survived} survived, {len(faults) - survived} lost")
    return 0 if survived == len(faults) else 1


def finished(folder: Path) -> Site:
    """Return a site in ``folder``: the tiny protocol, all of it run, with a checkpoint at each step."""
    folder.mkdir(parents=True)
    clone = Clone(folder)
    clone.params["runtime"]["checkpoint_seconds"] = 0
    clone.params["tracking"]["enabled"] = True
    clone.write_params()
    clone.repro("--all-pipelines")
    clone.commit("run")
    return Site(clone)


def all_faults(site: Site, seed: int, count: int) -> list[Fault]:
    """Return the faults that ``seed`` draws, ``count`` of them kills."""
    return [
        *kills.faults(site, _random(seed, "kills"), count),
        *limits.faults(site, _random(seed, "limits")),
        *damage.faults(site, _random(seed, "damage")),
        *surroundings.faults(site, _random(seed, "surroundings")),
    ]


def run(site: Site, faults: Sequence[Fault], folder: Path, seed: int, jobs: int) -> list[Verdict]:
    """Let each fault happen to a copy of its own, ``jobs`` at a time, and print what came of it."""

    def one(number: int) -> Verdict:
        place = folder / f"fault-{number}"
        broken = site.copy(place)
        try:
            found = faults[number].happen(broken, _random(seed, "fault", number))
        except (subprocess.SubprocessError, OSError, AssertionError) as error:  # the others go on
            found = Verdict(False, f"{type(error).__name__}: {error}")
        shutil.rmtree(place, ignore_errors=True)
        state = "survived" if found.survived else "LOST"
        print(f"{faults[number].kind}: {faults[number].where}: {state}: {found.how}", flush=True)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, range(len(faults))))


def _random(seed: int, *names: str | int) -> Random:
    return Random(int(stream(seed, "chaos", *names).integers(2**62)))


if __name__ == "__main__":
    sys.exit(main())
