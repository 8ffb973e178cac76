"""A student that two processes train: a real ``dvc repro``, kills of each kind, and nothing left running."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from clone import Clone, finished_clone
from safetensors.torch import load_file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]
STUDENT = "data/students/0"
SECONDS = 600  # for a machine with much else to do


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, Mapping[str, bytes]]:
    """Return a clone that is set to train its student in two processes, and what one process made there."""
    made, _ = finished_clone(tmp_path_factory)
    outputs = made.outputs()
    made.params["distill"]["recipe"] |= {"processes": 2, "epochs": 12}
    made.params["runtime"]["checkpoint_seconds"] = 0
    made.write_params()
    return made, outputs


@pytest.fixture(scope="module")
def two(one: tuple[Clone, Mapping[str, bytes]]) -> Clone:
    """Return the clone after ``dvc repro`` of the student alone, which has run it, and only it."""
    clone, _ = one
    assert clone.repro("distill@0") == {"distill@0"}
    assert clone.repro("distill@0") == set()
    return clone


def test_dvc_repro_makes_the_same_kinds_of_files_as_one_process_does(
    one: tuple[Clone, Mapping[str, bytes]], two: Clone, tmp_path: Path
) -> None:
    _, former = one
    made = two.outputs()
    assert made.keys() == former.keys()
    changed = {name for name in made if made[name] != former[name]}
    assert changed == {
        f"{STUDENT}/manifest.json",
        f"{STUDENT}/weights.safetensors",
        "metrics/curves/0-student.csv",
    }
    before = tmp_path / "before.safetensors"
    before.write_bytes(former[f"{STUDENT}/weights.safetensors"])
    shapes = [
        {name: (tensor.shape, tensor.dtype) for name, tensor in load_file(path).items()}
        for path in (before, two.folder / STUDENT / "weights.safetensors")
    ]
    assert shapes[0] == shapes[1]
    curve = made["metrics/curves/0-student.csv"].decode().splitlines()
    assert curve[0] == former["metrics/curves/0-student.csv"].decode().splitlines()[0]
    assert len(curve) == 13
    assert json.loads((two.folder / "metrics/environment/distill-0.json").read_text())["attempts"] == 1


class Training:
    """The stage, begun in a session of its own, once it has kept a checkpoint."""

    def __init__(self, folder: Path) -> None:
        before = self._checkpoint(folder)
        own = {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
        code = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        code += "runpy.run_module('erkt', run_name='__main__')"  # SIGINT is ignored in a background job
        self.stage = subprocess.Popen(
            [sys.executable, "-c", code, "stage", "distill", "--seed", "0"],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if not name.startswith("DVC_")} | own,
            start_new_session=True,
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + SECONDS
        while self._checkpoint(folder) == before:
            assert self.stage.poll() is None, self.stage.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.005)

    @staticmethod
    def _checkpoint(folder: Path) -> list[int]:
        """Return when the checkpoint was written, if there is one."""
        return [
            path.stat().st_mtime_ns for path in folder.glob(".inflight/distill@0-*/checkpoint.safetensors")
        ]

    def running(self) -> list[int]:
        """Return the processes of the session that are not the stage's own, as they were started."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except (OSError, ValueError):
                continue
            if int(session) == self.stage.pid and state != "Z":
                found.append(int(entry.name))
        return sorted(set(found) - {self.stage.pid})

    def ranks(self) -> list[int]:
        """Return the processes that train, in the order of their numbers."""
        return [pid for pid in self.running() if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def end(self, whom: str) -> None:
        """Send a signal to ``whom``."""
        ranks = self.ranks()
        assert len(ranks) == 2
        if whom == "asked":
            self.stage.terminate()
        elif whom == "ctrl_c":
            os.killpg(self.stage.pid, signal.SIGINT)
        else:
            for pid in {"first": ranks[:1], "second": ranks[1:], "all": ranks, "stage": [self.stage.pid]}[
                whom
            ]:
                os.kill(pid, signal.SIGKILL)

    def said(self) -> list[str]:
        """Return what is no usual message on stderr; nothing runs on for more than a moment."""
        said = self.stage.communicate(timeout=SECONDS)[1]
        until = time.monotonic() + SECONDS
        while self.running():
            assert time.monotonic() < until, "orphans"
            time.sleep(0.01)
        return [line for line in said.splitlines() if not line.startswith("distill@0: ")]


LEFT = "error: distill@0: interrupted; what it had done is kept, dvc repro goes on"
KILLED = (
    r"error: distill@0: process {} of 2 was ended by SIGKILL, and the others with it; dvc repro goes on from "
    r"the last checkpoint \(.*\)"
)
ENDS = {
    "stage": (-signal.SIGKILL, []),
    "first": (1, [KILLED.format(1)]),
    "asked": (130, [LEFT]),
    "second": (1, [KILLED.format(2)]),
    "ctrl_c": (130, [LEFT]),
    "all": (1, [KILLED.format("[12]")]),
}


def test_a_run_that_was_ended_in_every_way_leaves_nothing_running_and_goes_on_to_the_same_bits(
    two: Clone, tmp_path: Path
) -> None:
    """Each way after a checkpoint more than the one before."""
    expected, folder = two.outputs(), tmp_path / "clone"
    shutil.copytree(two.folder, folder, symlinks=True)
    shutil.rmtree(folder / ".inflight")
    shutil.rmtree(folder / STUDENT)
    for whom, (status, lines) in ENDS.items():
        training = Training(folder)
        try:
            training.end(whom)
            said = training.said()
        finally:
            if training.stage.poll() is None:
                os.killpg(training.stage.pid, signal.SIGKILL)
        if whom == "stage":  # Python's helper says that it cleans up behind it
            said = [line for line in said if "resource_tracker" not in line]
        assert training.stage.returncode == status, (whom, said)
        assert len(said) == len(lines), (whom, said)
        for line, pattern in zip(said, lines, strict=True):
            assert re.fullmatch(pattern, line), whom
    clone = Clone.at(folder)
    done = clone.python("-m", "erkt", "stage", "distill", "--seed", "0")
    assert done.returncode == 0, done.stderr
    assert clone.outputs() == expected
    sidecar = json.loads((folder / "metrics/environment/distill-0.json").read_text())
    assert sidecar["attempts"] == len(ENDS) + 1
