"""Runs that are killed: what ``dvc repro`` makes afterwards is an unbroken run's, by one writer at a time."""

import json
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from clone import Clone, finished_clone, forget_object

CELLS = {
    "train_teacher": "train_teacher@0-one",
    "cache_logits": "cache_logits@0-one-0",
    "distill": "distill@0",
}
LAST_OUT = {
    "train_teacher": "curves/0-one.csv",
    "cache_logits": "0/one/0/manifest.json",
    "distill": "curves/0-student.csv",
}
KILLER = Path(__file__).parents[1] / "killer"


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone after a whole run; without its run-cache, so that nothing comes back but by running."""
    made, _ = finished_clone(tmp_path_factory)
    made.params["runtime"]["checkpoint_seconds"] = 0
    made.write_params()
    shutil.rmtree(made.folder / ".dvc/cache/runs")
    return made


class Broken:
    """A copy of the unbroken clone in which one stage has not run yet."""

    def __init__(self, unbroken: Clone, folder: Path, stage: str) -> None:
        shutil.copytree(unbroken.folder, folder, symlinks=True)
        self.clone = Clone.at(folder)
        self.stage, self.cell, self.log = stage, CELLS[stage], folder.parent / "log"
        self.expected = unbroken.outputs()
        lock = yaml.safe_load((folder / "dvc.lock").read_text())
        for out in lock["stages"].pop(self.cell)["outs"]:
            path = folder / out["path"]
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            forget_object(folder / ".dvc/cache/files/md5", out["md5"])
        (folder / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))

    def repro(
        self, environment: dict[str, str] | None = None, **plan: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run ``dvc repro`` of the stage, in a process group of its own, killed as ``plan`` says."""
        kill = {"module": self.stage, "event": "rename", "log": str(self.log), "signal": 9} | plan
        code = "import os, runpy, signal, sys; os.setpgid(0, 0); sys.argv = ['dvc', 'repro', sys.argv[1]]; "
        code += "signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored in a background job
        code += "runpy.run_module('dvc', run_name='__main__')"
        path = f"{KILLER}:{self.clone.folder}"
        settings = {"KILL": json.dumps(kill) if plan else "{}", "PYTHONPATH": path}
        return self.clone.python("-c", code, self.cell, **settings, **(environment or {}))

    def assert_mended(self) -> str:
        """Run ``dvc repro`` to its end; its results are those of the unbroken run. Return what it printed."""
        done = self.repro(file="checkpoint.safetensors", count=-1, target="self")
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.clone.outputs() == self.expected
        assert self.clone.repro() == set()
        writers = self.log.read_text().split() if self.log.exists() else []
        assert writers == sorted(writers, key=writers.index), "two processes wrote checkpoints in turn"
        return done.stdout + done.stderr

    def attempts(self) -> int:
        """Return how often the cell was begun or went on until it was made."""
        sidecar = self.clone.folder / f"metrics/environment/{self.cell.replace('@', '-')}.json"
        return int(json.loads(sidecar.read_text())["attempts"])

    def states(self) -> list[str]:
        return sorted(path.name for path in (self.clone.folder / ".inflight").glob("*-*/*"))


MOMENTS = {
    "first checkpoint": ("checkpoint.safetensors", 1),
    "third checkpoint": ("checkpoint.safetensors", 3),
    "last output": (None, 1),
    "marker": ("finished.json", 1),
}
ALWAYS = {
    ("train_teacher", "third checkpoint", "group"),
    ("cache_logits", "third checkpoint", "self"),
    ("distill", "marker", "self"),
}
CASES = [
    pytest.param(*case, marks=[] if case in ALWAYS else pytest.mark.slow, id="-".join(case).replace(" ", "_"))
    for case in [
        (stage, moment, target)
        for stage in CELLS
        for moment in MOMENTS
        for target in ("self", "parent", "group")
    ]
]


@pytest.mark.parametrize(("stage", "moment", "target"), CASES)
def test_sigkill_of_stage_dvc_or_group(
    unbroken: Clone, tmp_path: Path, stage: str, moment: str, target: str
) -> None:
    broken = Broken(unbroken, tmp_path / "clone", stage)
    file, count = MOMENTS[moment]
    done = broken.repro(file=file or LAST_OUT[stage], count=count, target=target)
    assert done.returncode != 0, f"nothing was killed: {done.stdout}{done.stderr}"
    broken.assert_mended()
    if moment == "third checkpoint":
        assert broken.attempts() == 2, "it began anew, although a checkpoint was there"
    if (stage, moment, target) == ("distill", "marker", "self"):
        # A finished state stays until dvc.lock holds the result, and is deleted by a later stage.
        assert broken.states() == ["finished.json", "result"]
        done = broken.clone.python("-m", "erkt", "stage", "split", "--seed", "0")
        assert done.returncode == 0, done.stderr
        assert broken.states() == []


@pytest.mark.slow
@pytest.mark.parametrize("stage", CELLS)
@pytest.mark.parametrize(
    ("event", "file", "again"),
    [("rename", "/cache/runs/", True), ("rename", "/cache/files/", True), ("open", "dvc.lock", False)],
    ids=["before_the_run_cache", "before_the_cache", "before_the_lock"],
)
def test_sigkill_between_a_stages_end_and_dvcs_record(
    unbroken: Clone, tmp_path: Path, stage: str, event: str, file: str, again: bool
) -> None:
    """Until DVC has cached the outputs the stage is run again and takes its result; then DVC restores it."""
    broken = Broken(unbroken, tmp_path / "clone", stage)
    ended = str(broken.clone.folder / f".inflight/{broken.cell}-*/finished.json")
    done = broken.repro(event=event, file=file, count=1, target="group", module=broken.cell, after=ended)
    assert done.returncode == -signal.SIGKILL
    assert broken.states() == ["finished.json", "result"]
    assert ("finished earlier" in broken.assert_mended()) == again


@pytest.mark.slow
def test_a_result_that_dvc_lock_lists_but_the_cache_lacks_is_not_made_twice(
    unbroken: Clone, tmp_path: Path
) -> None:
    broken = Broken(unbroken, tmp_path / "clone", "distill")
    shutil.copy(unbroken.folder / "dvc.lock", broken.clone.folder / "dvc.lock")
    ended = str(broken.clone.folder / f".inflight/{broken.cell}-*/finished.json")
    plan = {"event": "rename", "file": "/cache/", "count": 1, "target": "group", "module": broken.cell}
    done = broken.repro(**plan, after=ended)
    assert done.returncode == -signal.SIGKILL
    assert "finished earlier" in broken.assert_mended()


@pytest.mark.slow
def test_a_record_that_dvc_left_damaged_is_taken_from_git_and_nothing_is_made_again(
    unbroken: Clone, tmp_path: Path
) -> None:
    broken = Broken(unbroken, tmp_path / "clone", "distill")
    broken.clone.commit("without it")
    assert broken.cell in broken.clone.repro()
    lock = broken.clone.folder / "dvc.lock"
    text = lock.read_text(encoding="utf-8")
    lock.write_text(text[: text.rindex("path: ") + 6], encoding="utf-8")
    refused = broken.clone.python("-m", "dvc", "repro")
    assert refused.returncode != 0
    assert "dvc.lock' validation failed." in refused.stdout + refused.stderr
    broken.clone.git("checkout", "dvc.lock")
    assert broken.clone.repro() == set()
    assert broken.clone.outputs() == broken.expected


ASKED = {
    "SIGTERM": (signal.SIGTERM, "self"),
    "SIGTERM to the group": (signal.SIGTERM, "group"),
    "Ctrl-C": (signal.SIGINT, "group"),
}


@pytest.mark.parametrize(
    ("stage", "number", "target"),
    [
        pytest.param(
            *(stage, *ASKED[how]),
            marks=[] if (stage, how) == ("train_teacher", "SIGTERM to the group") else pytest.mark.slow,
            id=f"{stage}-{how}".replace(" ", "_"),
        )
        for stage in CELLS
        for how in ASKED
    ],
)
def test_a_stage_asked_to_leave_keeps_what_it_had_and_says_so(
    unbroken: Clone, tmp_path: Path, stage: str, number: int, target: str
) -> None:
    """To the group, as a scheduler does it: DVC dies of SIGTERM, and its death sends another."""
    broken = Broken(unbroken, tmp_path / "clone", stage)
    done = broken.repro(file="checkpoint.safetensors", count=2, target=target, signal=int(number))
    assert done.returncode != 0
    assert f"error: {broken.cell}: interrupted; what it had done is kept, dvc repro goes on" in done.stderr
    assert "Traceback" not in done.stderr
    assert broken.states() == ["checkpoint.safetensors"]
    broken.assert_mended()
    assert broken.attempts() == 2


@pytest.mark.slow
def test_two_clones_with_one_cache_and_one_state_folder_do_the_work_once(
    unbroken: Clone, tmp_path: Path
) -> None:
    shared = {"ERKT_INFLIGHT": str(tmp_path / "inflight")}
    both = [Broken(unbroken, tmp_path / name / "clone", "distill") for name in ("one", "two")]
    for broken in both:
        broken.log = tmp_path / "log"
        shutil.rmtree(broken.clone.folder / ".dvc/cache/runs", ignore_errors=True)
        done = broken.clone.python("-m", "dvc", "cache", "dir", "--local", str(tmp_path / "cache"))
        assert done.returncode == 0, done.stderr
    shutil.copytree(unbroken.folder / ".dvc/cache", tmp_path / "cache")
    with ThreadPoolExecutor(2) as pool:
        plan = {"file": "checkpoint.safetensors", "count": -1, "target": "self", "environment": shared}
        ended = list(pool.map(lambda broken: broken.repro(**plan), both))
    for broken, done in zip(both, ended, strict=True):
        assert done.returncode == 0, done.stdout + done.stderr
        assert broken.clone.outputs() == broken.expected
    assert len(set((tmp_path / "log").read_text().split())) == 1, "both trained"


def test_a_failed_run_leaves_no_artifact_to_git(unbroken: Clone, tmp_path: Path) -> None:
    """DVC takes back the .gitignore entries of a command that fails; images would be committed."""
    broken = Broken(unbroken, tmp_path / "clone", "train_teacher")
    clone = broken.clone
    (clone.folder / "dvc.lock").unlink()
    shutil.rmtree(clone.folder / ".dvc/cache")
    done = broken.repro(file="checkpoint.safetensors", count=2, target="self")
    assert done.returncode != 0
    assert "Running stage 'prepare'" in done.stdout
    tracked = clone.git("ls-files", "--cached", "--others", "--exclude-standard", "data").split()
    assert tracked == []
