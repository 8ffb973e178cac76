"""Join both sides of dvc.lock and metrics/ in the midst of a git merge, cell by cell.

Git joins lines, which mixes cells. Here each cell is taken whole, from the side that has changed it since
both parted; where both have, from this side, and it is named. Nothing can be wrong by this: DVC compares each
cell with what lies here, and dvc repro runs what does not fit. Write params.yaml as you want it before or
after.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erkt.errors import ErktError
from erkt.files.yaml_file import parse_yaml
from erkt.pipeline import paths
from erkt.pipeline.dvc_repository import write_cells
from erkt.pipeline.git import git

Cells = Mapping[str, Any]


@dataclass(frozen=True)
class Joined:
    """The cells of both sides: which come from the other one, and which both have changed."""

    cells: dict[str, Any]
    theirs: list[str]
    both: list[str]


def arguments(parser: ArgumentParser) -> None:
    """Take no arguments."""


def run(options: Namespace) -> int:
    """Write dvc.lock and metrics/, add them to the merge, and say what is left to do."""
    root = Path.cwd()
    try:
        git(root, "rev-parse", "--verify", "--quiet", "MERGE_HEAD")
    except ErktError:
        raise ErktError(
            "no merge is under way; it takes one: git merge BRANCH (a rebase or cherry-pick is not one)"
        ) from None
    stages = {
        line.split("\t")[0].split()[2] for line in git(root, "ls-files", "-u", str(paths.LOCK)).splitlines()
    }
    if not {"2", "3"} <= stages:
        raise ErktError(f"{paths.LOCK} has no conflict with another side; start with git merge BRANCH")
    base, ours, theirs = (_side(root, number) if number in stages else {} for number in ("1", "2", "3"))
    joined = join(base, ours, theirs)
    write_cells(joined.cells)
    _take_metrics(root, joined)
    git(root, "add", str(paths.LOCK))
    for name in joined.both:
        print(f"{name}: both sides have changed it; this side's is taken", file=sys.stderr)
    print(f"{paths.LOCK}: {len(joined.cells)} cells, {len(joined.theirs)} of them from the other side")
    print("next: write params.yaml, then dvc pull --allow-missing && dvc repro, then git commit --all")
    return 0


def join(base: Cells, ours: Cells, theirs: Cells) -> Joined:
    """Return each cell from the side that has changed it since ``base``; one that is gone there is gone."""
    cells, taken, both = {}, [], []
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        here, there = (side.get(name) != base.get(name) for side in (ours, theirs))
        side = theirs if there and not here else ours
        if name in side:
            cells[name] = side[name]
            taken += [name] if side is theirs else []
        if here and there and ours.get(name) != theirs.get(name):
            both.append(name)
    return Joined(cells, taken, both)


def _side(root: Path, number: str) -> Cells:
    where = f"{paths.LOCK} of {'the common commit' if number == '1' else f'side {number} of the merge'}"
    content = parse_yaml(git(root, "show", f":{number}:./{paths.LOCK}"), where)
    try:
        return dict(content["stages"])
    except (KeyError, TypeError, ValueError):
        raise ErktError(f"{where} holds no stages") from None


def _take_metrics(root: Path, joined: Joined) -> None:
    """Take what git keeps of each cell from the side that the cell comes from."""
    differing = set(
        git(
            root, "diff", "--relative", "--name-only", "HEAD", "MERGE_HEAD", "--", str(paths.METRICS)
        ).splitlines()
    )
    from_theirs = set()
    for name in joined.theirs:
        outs = [out["path"] for out in joined.cells[name].get("outs", [])]
        from_theirs |= {*outs, paths.environment(name).as_posix()} & differing
    for commit, chosen in (("MERGE_HEAD", from_theirs), ("HEAD", differing - from_theirs)):
        there = set(git(root, "ls-tree", "-r", "--name-only", commit, "--", str(paths.METRICS)).splitlines())
        if chosen & there:
            git(root, "checkout", commit, "--", *sorted(chosen & there))
        if chosen - there:
            git(root, "rm", "--quiet", "--force", "--ignore-unmatch", "--", *sorted(chosen - there))
