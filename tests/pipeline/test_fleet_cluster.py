"""A cluster of two nodes whose stages, workers and nodes are killed: the end is that of one machine."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
import yaml
from clone import Clone, finished_clone
from ray_nodes import Nodes, two_nodes

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


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """One machine's run."""
    return finished_clone(tmp_path_factory)[0]


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

    def stage(self, cell: str) -> psutil.Process:
        """Wait until the stage of ``cell`` runs in one of this fleet's clones; return its process."""
        stage, _, coordinates = cell.partition("@")
        words = ["erkt", "stage", stage, *coordinates.split("-")]

        def found() -> psutil.Process | None:
            for process in psutil.process_iter(["cmdline", "cwd"]):
                line, where = process.info["cmdline"] or [], process.info["cwd"] or ""
                python = line and "python" in Path(line[0]).name
                inside = where.startswith(str(self.clone.folder / ".dvc/tmp/fleet"))
                if python and inside and all(word in line for word in words if word):
                    return process
            return None

        return self.wait(found, f"{cell} to run")

    def wait(self, look: Callable[[], T | None], what: str) -> T:
        end = time.monotonic() + PATIENCE_SECONDS
        while (found := look()) is None:
            assert self.process.poll() is None, f"ended before {what}:\n{self.told}"
            assert time.monotonic() < end, f"no {what}:\n{self.told}"
            time.sleep(0.02)
        return found

    def checkpoint(self, cell: str) -> None:
        """Wait until there is unfinished work of ``cell``."""
        states = self.clone.folder / ".inflight"
        self.wait(lambda: next(iter(states.glob(f"{cell}-*/checkpoint*")), None), f"a checkpoint of {cell}")

    def end(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)


def worker_of(stage: psutil.Process) -> psutil.Process:
    """Return the worker of Ray that a stage belongs to."""
    return next(one for one in stage.parents() if "ray::" in " ".join(one.cmdline()))


def node_of(stage: psutil.Process) -> str:
    """Return the node's name, which its raylet was started with."""
    raylet = next(one for one in stage.parents() if one.name() == "raylet")
    (host,) = re.findall(r"--node_ip_address=(\S+)", " ".join(raylet.cmdline()))
    return {"127.0.0.2": "one", "127.0.0.3": "two"}[host]


def runs_of(clone: Clone) -> Counter[str]:
    """Return how often each cell was begun, from all logs of workers."""
    told = [path.read_text(errors="replace") for path in clone.folder.glob(".dvc/tmp/fleet/*/logs/*.log")]
    return Counter(re.findall(r"^Running stage '([^']+)'", "\n".join(told), flags=re.MULTILINE))


def assert_as_one_machine(clone: Clone, expected: Clone) -> None:
    lock, other = (yaml.safe_load((one.folder / "dvc.lock").read_text()) for one in (clone, expected))
    assert lock == other  # in which order, is that of the runs
    assert clone.outputs() == expected.outputs()
    names = [sorted((one.folder / "metrics/environment").iterdir()) for one in (clone, expected)]
    assert [path.name for path in names[0]] == [path.name for path in names[1]]
    assert clone.repro("--all-pipelines") == set()


def test_a_stage_a_worker_and_a_node_are_killed(nodes: Nodes, expected: Clone, tmp_path: Path) -> None:
    """The stage alone: its cell fails and the rest goes on. Worker and node: made again, elsewhere."""
    (tmp_path / "clone").mkdir()
    clone = Clone(tmp_path / "clone")
    clone.params["runtime"]["checkpoint_seconds"] = 0
    clone.write_params()
    clone.commit("a checkpoint after every step")

    fleet = Fleet(clone, nodes)
    stage = fleet.stage("train_teacher@0-one")
    fleet.checkpoint("train_teacher@0-one")
    stage.send_signal(signal.SIGKILL)
    assert fleet.end() == 1, fleet.told
    assert re.search(r"^train_teacher@0-one +\w+ +[\d.]+ +failed: .*exited with -9", fleet.told, re.MULTILINE)
    assert re.search(r"^distill@0 +not begun: what it needs is missing$", fleet.told, re.MULTILINE)
    assert re.search(r"^evaluate_teacher@0-two +(one|two) +[\d.]+$", fleet.told, re.MULTILINE)
    lock = yaml.safe_load((clone.folder / "dvc.lock").read_text())["stages"]
    assert "evaluate_teacher@0-two" in lock
    assert "train_teacher@0-one" not in lock

    fleet = Fleet(clone, nodes)
    stage = fleet.stage("cache_logits@0-one-0")
    worker_of(stage).send_signal(signal.SIGKILL)
    stage.wait(PATIENCE_SECONDS)
    stage = fleet.stage("distill@0")
    fleet.checkpoint("distill@0")
    killed = node_of(stage)
    nodes.kill(killed)
    assert fleet.end() == 0, fleet.told
    other = {"one": "two", "two": "one"}[killed]
    assert re.search(rf"^distill@0 +{other} +[\d.]+$", fleet.told, re.MULTILINE), fleet.told
    nodes.start(killed, {"one": "127.0.0.2", "two": "127.0.0.3"}[killed])

    runs = runs_of(clone)
    assert {cell for cell, count in runs.items() if count > 1} <= {
        "train_teacher@0-one",
        "cache_logits@0-one-0",
        "distill@0",
    }
    assert_as_one_machine(clone, expected)
    assert fleet.told.count("Traceback") == 0


def test_ctrl_c_and_the_end_of_the_head_end_the_stages(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "clone").mkdir()
    clone = Clone(tmp_path / "clone")
    clone.params["runtime"]["checkpoint_seconds"] = 0
    clone.params["teachers"]["one"]["recipe"]["epochs"] = 200  # nobody waits for its end
    clone.write_params()
    clone.commit("long")
    cell = "train_teacher@0-one"

    fleet = Fleet(clone, nodes, cell)
    stage = fleet.stage(cell)
    fleet.checkpoint(cell)
    fleet.process.send_signal(signal.SIGINT)
    assert fleet.end() == 130, fleet.told
    assert fleet.told.endswith("stopped; what is done is kept, and the same command goes on\n")
    assert not stage.is_running()
    (log,) = clone.folder.glob(f".dvc/tmp/fleet/*/logs/{cell}.log")
    assert f"error: {cell}: interrupted; what it had done is kept, dvc repro goes on" in log.read_text()

    fleet = Fleet(clone, nodes, cell)
    stage = fleet.stage(cell)
    fleet.process.kill()
    stage.wait(PATIENCE_SECONDS)
