"""A cluster of two nodes whose stages, workers and nodes are killed: the end is that of one machine."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from importlib.util import find_spec
from operator import getitem
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import yaml
from clone import Clone
from ray_nodes import HOSTS, Nodes, two_nodes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'erkt[fleet]'"),
]

T = TypeVar("T")

PATIENCE_SECONDS = 1800  # on a busy machine


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with two_nodes(tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


PROTOCOL = {
    "seeds": [0, 1],
    "teachers.one.recipe.epochs": 20,
    "teachers.two.recipe.epochs": 20,
    "cache.views_per_block": 40,
    "distill.recipe.epochs": 40,
    "runtime.checkpoint_seconds": 0,
}
"""Two seeds; what is killed takes some seconds, and keeps a checkpoint after every step."""


LONG = ("train_teacher", "cache_logits", "distill")
"""Stages that go on from checkpoints."""


def clone_of(folder: Path, changes: Mapping[str, Any]) -> Clone:
    """Return a clone whose tiny protocol has other values at dotted keys, and metrics of former params."""
    folder.mkdir()
    clone = Clone(folder)
    for key, value in changes.items():
        *blocks, name = key.split(".")
        reduce(getitem, blocks, clone.params)[name] = value
    clone.write_params()
    former = clone.folder / "metrics/evaluate_teacher/0-former.json"
    former.parent.mkdir(parents=True)
    former.write_text("[]")
    clone.commit("params")
    return clone


@dataclass
class Stage:
    """A stage that runs: its process, and the checkpoint that lay there when it was first seen."""

    process: psutil.Process
    checkpoint: list[int]

    @property
    def worker(self) -> psutil.Process:
        """The worker of Ray that it belongs to."""
        return next(one for one in self.process.parents() if "ray::" in " ".join(one.cmdline()))

    @property
    def node(self) -> str:
        """The node that it runs on, by the address that the node's raylet was started with."""
        raylet = next(one for one in self.process.parents() if one.name() == "raylet")
        (host,) = re.findall(r"--node_ip_address=(\S+)", " ".join(raylet.cmdline()))
        return next(name for name, own in HOSTS.items() if own == host)


class Fleet:
    """``erkt fleet repro`` in a clone, and the processes of its cells."""

    def __init__(self, clone: Clone, nodes: Nodes, *targets: str) -> None:
        self.clone, self.printed = clone, clone.folder.parent / "printed.txt"
        command = [sys.executable, "-m", "erkt", "fleet", "repro", *targets, "--address", nodes.address]
        own = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "ERKT_"))}
        own |= nodes.variables | {"PYTHONPATH": str(clone.folder), "DVC_NO_ANALYTICS": "1"}
        with self.printed.open("wb") as printed:
            self.process = subprocess.Popen(
                command, cwd=clone.folder, env=own, stdout=printed, stderr=subprocess.STDOUT
            )

    @property
    def told(self) -> str:
        return self.printed.read_text(errors="replace")

    def stages(self) -> Iterator[tuple[str, psutil.Process]]:
        """Yield the stages that run in this fleet's clones, by cell."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                inside = process.cwd().startswith(str(self.clone.folder / ".dvc/tmp/fleet"))
                if inside and process.cmdline()[1:4] == ["-m", "erkt", "stage"]:
                    yield process.environ()["DVC_STAGE"], process

    def working(self, *cells: str) -> tuple[str, Stage]:
        """Wait until one of these cells has kept a checkpoint since it was seen; a short one, until seen."""
        seen: dict[psutil.Process, Stage] = {}

        def found() -> tuple[str, Stage] | None:
            for cell, process in self.stages():
                if cell in cells:
                    stage = seen.setdefault(process, Stage(process, self.checkpoint(cell)))
                    kept = self.checkpoint(cell)
                    if not cell.startswith(LONG) or (kept and kept != stage.checkpoint):
                        return cell, stage
            return None

        return self.wait(found, f"a step of {' or '.join(cells)}")

    def checkpoint(self, cell: str) -> list[int]:
        """Return when the checkpoint of a cell was written, if there is one."""
        kept = (self.clone.folder / ".inflight").glob(f"{cell}-*/checkpoint.safetensors")
        with suppress(FileNotFoundError):  # the cell has ended
            return [path.stat().st_mtime_ns for path in kept]
        return []

    def wait(self, look: Callable[[], T | None], what: str) -> T:
        end = time.monotonic() + PATIENCE_SECONDS
        while (found := look()) is None:
            assert self.process.poll() is None, f"ended before {what}:\n{self.told}"
            assert time.monotonic() < end, f"no {what}:\n{self.told}"
            time.sleep(0.05)
        return found

    def end(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)


def runs_of(clone: Clone) -> Counter[str]:
    """Return how often each cell was begun, from all logs of workers."""
    told = [path.read_text(errors="replace") for path in clone.folder.glob(".dvc/tmp/fleet/*/logs/*.log")]
    return Counter(re.findall(r"^Running stage '([^']+)'", "\n".join(told), flags=re.MULTILINE))


def attempts(clone: Clone) -> dict[str, int]:
    """Return how many starts went into each cell that goes on from checkpoints."""
    read = [json.loads(path.read_text()) for path in (clone.folder / "metrics/environment").iterdir()]
    return {sidecar["stage"]: sidecar["attempts"] for sidecar in read if "attempts" in sidecar}


def assert_as_one_machine(clone: Clone, alone: Clone) -> None:
    lock, other = (yaml.safe_load((one.folder / "dvc.lock").read_text()) for one in (clone, alone))
    assert lock == other  # in which order, is that of the runs
    assert clone.outputs() == alone.outputs()
    names = [sorted((one.folder / "metrics/environment").iterdir()) for one in (clone, alone)]
    assert [path.name for path in names[0]] == [path.name for path in names[1]]
    assert clone.repro("--all-pipelines") == set()


FIRST = {
    "train_teacher@0-one": "stage",
    "cache_logits@0-two-0": "stage",
    "distill@1": "stage",
    "train_teacher@1-two": "worker",
}
SECOND = {
    "train_teacher@0-one": "node",
    "cache_logits@0-one-0": "worker",
    "cache_logits@0-two-0": "node",
    "distill@0": "worker",
    "distill@1": "node",
    "evaluate@1": "worker",
    "measure@0": "node",
}
"""What is killed by SIGKILL, in the first run of the command and in the second: see ``Fleet.working``."""


def kill(fleet: Fleet, nodes: Nodes, whom: Mapping[str, str]) -> None:
    """Kill what ``whom`` says as soon as its cell works; a node is back some time later."""
    left = dict(whom)
    while left:
        cell, stage = fleet.working(*left)
        what = left.pop(cell)
        if what == "node":
            node = stage.node
            nodes.kill(node)
            nodes.start(node)
        else:
            (stage.process if what == "stage" else stage.worker).kill()


def test_stages_workers_and_nodes_are_killed(nodes: Nodes, tmp_path: Path) -> None:
    """A stage alone: its cell fails and the rest goes on. A worker or a node: made again by who is left."""
    clone, alone = (clone_of(tmp_path / name, PROTOCOL) for name in ("clone", "alone"))
    fleet = Fleet(clone, nodes)
    kill(fleet, nodes, FIRST)
    assert fleet.end() == 1, fleet.told
    failed = re.findall(r"^(\S+) +\w+ +[\d.]+ +failed: .*exited with -9 ", fleet.told, re.MULTILINE)
    assert sorted(failed) == sorted(cell for cell, what in FIRST.items() if what == "stage")
    waiting = re.findall(r"^(\S+) +not begun: what it needs is missing$", fleet.told, re.MULTILINE)
    lock = yaml.safe_load((clone.folder / "dvc.lock").read_text())["stages"]
    assert lock.keys().isdisjoint({*failed, *waiting})
    assert {"evaluate@0", "evaluate@1", "summarize"} <= {*waiting}
    assert {"evaluate_teacher@0-two", "evaluate_teacher@1-two", "cache_logits@1-one-0"} <= lock.keys()
    made = Counter(re.findall(r"^\S+ +(left|right) +[\d.]+$", fleet.told, re.MULTILINE))
    assert made.keys() == HOSTS.keys(), "one node made nothing"

    fleet = Fleet(clone, nodes)
    kill(fleet, nodes, SECOND)
    assert fleet.end() == 0, fleet.told
    for word in ("Traceback", "raylet", "made there too", "not found in the cache"):
        assert word not in fleet.told
    for node in HOSTS:
        nodes.wait_for(node)

    kills, started = Counter([*FIRST, *SECOND]), attempts(clone)
    assert started == {cell: 1 + kills[cell] for cell in started}
    assert {cell for cell in kills if cell.startswith(LONG)} <= started.keys()
    again = {cell for cell, count in runs_of(clone).items() if count > 1}
    assert again <= kills.keys()
    alone.repro("--all-pipelines")
    assert_as_one_machine(clone, alone)


def test_where_the_commit_has_results_of_another_machine_each_cell_is_made_once(
    nodes: Nodes, tmp_path: Path
) -> None:
    """They are in no cache here, and this machine rounds otherwise."""
    clone, alone = (clone_of(tmp_path / name, {}) for name in ("clone", "alone"))
    alone.repro("--all-pipelines")
    lock = yaml.safe_load((alone.folder / "dvc.lock").read_text())
    for stage in ("train_teacher@0-one", "train_teacher@0-two"):
        for out in lock["stages"][stage]["outs"]:
            out["md5"] = hashlib.md5(f"{stage} {out['path']}".encode(), usedforsecurity=False).hexdigest()
    (clone.folder / "dvc.lock").write_text(yaml.safe_dump(lock))
    clone.commit("from another machine")
    fleet = Fleet(clone, nodes)
    assert fleet.end() == 0, fleet.told
    assert "not found in the cache" not in fleet.told
    assert set(runs_of(clone).values()) == {1}
    assert_as_one_machine(clone, alone)


def test_ctrl_c_and_the_end_of_the_head_end_the_stages(nodes: Nodes, tmp_path: Path) -> None:
    long = PROTOCOL | {"teachers.one.recipe.epochs": 20_000}  # nobody waits for its end
    clone = clone_of(tmp_path / "clone", long)
    cell = "train_teacher@0-one"

    fleet = Fleet(clone, nodes, cell)
    _, stage = fleet.working(cell)
    fleet.process.send_signal(signal.SIGINT)
    assert fleet.end() == 130, fleet.told
    assert fleet.told.endswith("stopped; what is done is kept, and the same command goes on\n")
    assert not stage.process.is_running()
    (log,) = clone.folder.glob(f".dvc/tmp/fleet/*/logs/{cell}.log")
    assert f"error: {cell}: interrupted; what it had done is kept, dvc repro goes on" in log.read_text()

    fleet = Fleet(clone, nodes, cell)
    _, stage = fleet.working(cell)
    fleet.process.kill()
    stage.process.wait(PATIENCE_SECONDS)
