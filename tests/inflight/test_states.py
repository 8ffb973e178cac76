"""States of unfinished and unrecorded work: exact, for one process at a time, damaged ones never used."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made import no_warning

from erkt.errors import ErktError
from erkt.files.replace import write_text
from erkt.inflight import states
from erkt.inflight.states import FINISHED, Result, State, alone, collect, only_one, store, survey

KEY = "0123456789abcdef" * 4
HOLD = (
    "import sys\nfrom pathlib import Path\nfrom erkt.inflight.states import alone\n"
    "with alone(Path(sys.argv[1]), lambda: None, lambda: False):\n"
    "    print('in', flush=True)\n    sys.stdin.read()\n"
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A workspace with a folder and a file, as a stage makes them."""
    root = tmp_path / "work"
    (root / "out/deep").mkdir(parents=True)
    (root / "out/a.bin").write_bytes(bytes(range(256)))
    (root / "out/deep/b.txt").write_text("b")
    (root / "curve.csv").write_text("epoch,loss\n1,0.5\n")
    return root


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A state that holds a checkpoint."""
    return begun(tmp_path, "train@0-one")


def begun(tmp_path: Path, name: str) -> State:
    made = State(tmp_path / "store", name, KEY)
    made.folder.mkdir(parents=True)
    (made.folder / "checkpoint.safetensors").write_text("old")
    return made


def finish(state: State, work: Path) -> None:
    state.finish(work, [Path("out"), Path("curve.csv")], "loss 0.5")


def content(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@contextmanager
def held_by_another_process(lock: Path) -> Iterator[None]:
    """Hold ``lock`` in another process, which is killed at the end of the block."""
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        yield
        other.kill()
        other.wait()


def test_a_finished_result_comes_back_byte_for_byte(state: State, work: Path) -> None:
    before = content(work)
    finish(state, work)
    assert sorted(path.name for path in state.folder.iterdir()) == [FINISHED, "result"]
    (work / "out/a.bin").unlink()
    (work / "out/stale").write_text("of another run")
    write_text(work / "curve.csv", "another run's; what is kept may have been the same file, and stays")
    result = state.take(work, no_warning)
    assert result is not None
    assert result.line == "loss 0.5"
    assert content(work) == before


@pytest.mark.parametrize("moment", ["md5_file", "write_sealed"])
def test_until_the_marker_is_there_the_checkpoint_is(
    state: State, work: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(states, moment, die)
        with pytest.raises(SystemExit):
            finish(state, work)
    assert state.take(work, no_warning) is None
    assert (state.folder / "checkpoint.safetensors").read_text() == "old"
    (state.folder / "result/of_that_run").write_text("")
    before = content(work)
    finish(state, work)
    assert content(state.folder / "result") == before
    assert state.take(work, no_warning) is not None


@pytest.mark.parametrize(
    ("gone", "late"), [("out", False), ("curve.csv", False), ("out/a.bin", True), ("curve.csv", True)]
)
def test_a_result_whose_outputs_are_gone_before_or_while_it_is_kept_is_none(
    state: State, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str, late: bool
) -> None:
    def lose(path: Path) -> str:
        if path.name == "curve.csv":  # the last one
            (work / gone).rename(tmp_path / "gone")
        return "md5"

    if late:
        monkeypatch.setattr(states, "md5_file", lose)
    else:
        lose(work / "curve.csv")
    with pytest.raises(ErktError, match="run dvc repro again"):
        finish(state, work)
    assert state.take(work, no_warning) is None
    assert (state.folder / "checkpoint.safetensors").exists()


def test_halves_of_killed_writers_go_when_the_state_is_taken_up(state: State, work: Path) -> None:
    half = state.folder / ".part-0123abcd-checkpoint.safetensors"
    half.write_bytes(bytes(9))
    assert state.take(work, no_warning) is None
    assert not half.exists()


@pytest.mark.parametrize("name", [FINISHED, "result/out/a.bin", "result/curve.csv"])
@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
def test_a_damaged_result_is_never_used(state: State, work: Path, name: str, harm: str) -> None:
    finish(state, work)
    path = state.folder / name
    data = path.read_bytes()
    path.unlink()
    if harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "flip":
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    warnings: list[str] = []
    assert state.take(work, warnings.append) is None
    if (name, harm) == (FINISHED, "gone"):  # without its marker it is simply not finished
        assert warnings == []
    else:
        assert len(warnings) == 1
        assert warnings[0].startswith(f"{state.folder} is damaged (")
        assert "\n" not in warnings[0]
        assert not state.folder.exists()


def test_the_key_and_the_cell_name_the_state(state: State, work: Path) -> None:
    finish(state, work)
    for other in (State(state.store, state.name, "f" * 64), State(state.store, "train@0-two", KEY)):
        assert other.take(work, no_warning) is None


def test_the_store_is_in_the_root_unless_the_environment_names_another(tmp_path: Path) -> None:
    assert store(tmp_path, {}) == tmp_path / ".inflight"
    assert store(tmp_path, {"ERKT_INFLIGHT": str(tmp_path / "scratch")}) == tmp_path / "scratch"


def test_collecting_deletes_what_is_held_elsewhere_and_nothing_else(tmp_path: Path, work: Path) -> None:
    held, kept, unfinished = (begun(tmp_path, name) for name in ("a@0", "b@0", "c@0"))
    for state in (held, kept):
        finish(state, work)
    asked: list[tuple[str, Result]] = []

    def is_held(stage: str, result: Result) -> bool:
        asked.append((stage, result))
        return stage == "a@0"

    with held_by_another_process(held.lock):
        collect(held.store, is_held)
        assert held.folder.exists(), "another process was at work on it"
    collect(held.store, is_held)
    assert [stage for stage, _ in asked] == ["a@0", "b@0"] * 2
    assert asked[0][1].outs == ["out", "curve.csv"]
    assert (held.folder.exists(), kept.folder.exists(), unfinished.folder.exists()) == (False, True, True)


def test_the_lock_ends_with_its_process_and_waiting_can_be_left(tmp_path: Path) -> None:
    lock, told = tmp_path / "locks/x.lock", []
    with held_by_another_process(lock):
        asked = iter([False, False, True])
        with pytest.raises(KeyboardInterrupt), alone(lock, lambda: told.append(1), lambda: next(asked)):
            pytest.fail("two processes are inside")
        assert told == [1]
    with alone(lock, lambda: pytest.fail("nobody is inside"), lambda: False):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(ErktError, match="no lock can be made there"):
        alone(tmp_path / "file/x.lock", lambda: None, lambda: False).__enter__()


def test_only_one_process_is_let_in_and_the_others_are_told(tmp_path: Path) -> None:
    lock = tmp_path / "locks/x.lock"
    with only_one(lock, "somebody is there"):
        pass
    with held_by_another_process(lock), pytest.raises(ErktError, match=r"^somebody is there$"):
        only_one(lock, "somebody is there").__enter__()
    (tmp_path / "file").write_text("")
    with pytest.raises(ErktError, match="no lock can be made there"):
        only_one(tmp_path / "file/x.lock", "").__enter__()


def test_the_survey_tells_size_and_stage(state: State, tmp_path: Path, work: Path) -> None:
    finish(state, work)
    other = begun(tmp_path, "distill@1")
    first, second = survey(state.store)
    assert (first.folder, first.stage, first.finished, first.bytes) == (other.folder, "distill@1", False, 3)
    assert (second.stage, second.finished) == ("train@0-one", True)
    assert second.bytes == sum(map(len, content(state.folder).values()))
    assert survey(tmp_path / "nowhere") == []
