"""A student that two processes train: a real ``dvc repro``, kills of each kind, and nothing left running."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
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
    """The stage of a copy of the clone, in a session of its own, begun and with a checkpoint."""

    def __init__(self, clone: Clone, folder: Path) -> None:
        shutil.copytree(clone.folder, folder, symlinks=True)
        shutil.rmtree(folder / ".inflight")
        shutil.rmtree(folder / STUDENT)
        self.clone = Clone.at(folder)
        self.expected = clone.outputs()
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
        while not list(folder.glob(".inflight/distill@0-*/checkpoint.safetensors")):
            assert self.stage.poll() is None, self.stage.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.005)

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

    def ended(self) -> str:
        """Return what the stage said, once it has ended; nothing of it runs on for more than a moment."""
        said = self.stage.communicate(timeout=SECONDS)[1]
        until = time.monotonic() + SECONDS
        while self.running():
            assert time.monotonic() < until, "orphans"
            time.sleep(0.01)
        return said


@pytest.fixture
def training(two: Clone, tmp_path: Path) -> Iterator[Training]:
    begun = Training(two, tmp_path / "clone")
    yield begun
    if begun.stage.poll() is None:
        os.killpg(begun.stage.pid, signal.SIGKILL)
        begun.stage.communicate()


ERROR = "error: distill@0: "
KILLED = "was ended by SIGKILL, and the others with it; dvc repro goes on from the last checkpoint"
LEFT = f"{ERROR}interrupted; what it had done is kept, dvc repro goes on\n"


@pytest.mark.parametrize("whom", ["first", "second", "all", "stage", "asked", "ctrl_c"])
def test_a_run_that_was_ended_leaves_nothing_running_and_goes_on_to_the_same_bits(
    training: Training, whom: str
) -> None:
    ranks = training.ranks()
    assert len(ranks) == 2
    if whom == "asked":
        training.stage.terminate()
    elif whom == "ctrl_c":
        os.killpg(training.stage.pid, signal.SIGINT)
    else:
        for pid in {"first": ranks[:1], "second": ranks[1:], "all": ranks}.get(whom, [training.stage.pid]):
            os.kill(pid, signal.SIGKILL)
    lines = [
        line for line in training.ended().splitlines(keepends=True) if not line.startswith("distill@0: ")
    ]
    if whom in ("asked", "ctrl_c"):
        assert (lines, training.stage.returncode) == ([LEFT], 130)
    elif whom == "stage":
        assert (lines, training.stage.returncode) == ([], -signal.SIGKILL)
    else:
        assert training.stage.returncode == 1
        assert len(lines) == 1
        number = {"first": "1", "second": "2"}.get(whom, lines[0][len(f"{ERROR}process ")])
        assert lines[0].startswith(f"{ERROR}process {number} of 2 {KILLED}")
    done = training.clone.python("-m", "erkt", "stage", "distill", "--seed", "0")
    assert done.returncode == 0, done.stderr
    assert training.clone.outputs() == training.expected
    sidecar = training.clone.folder / "metrics/environment/distill-0.json"
    assert json.loads(sidecar.read_text())["attempts"] == 2
