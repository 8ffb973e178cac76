"""States of unfinished and unrecorded work: exact, for one process at a time, damaged ones never used."""

import subprocess
import sys
from pathlib import Path

import pytest

from erkt.errors import ErktError
from erkt.files.json_file import write_sealed
from erkt.inflight import states
from erkt.inflight.states import FINISHED, Result, State, alone, collect, store, survey

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


def made(tmp_path: Path, work: Path, name: str = "train@0-one") -> State:
    state = State(tmp_path / "store", name, KEY)
    state.folder.mkdir(parents=True, exist_ok=True)
    (state.folder / "checkpoint.safetensors").write_text("old")
    state.finish(work, [Path("out"), Path("curve.csv")], "loss 0.5")
    return state


def content(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def fail(message: str) -> None:
    pytest.fail(f"a warning came where none was due: {message}")


def test_a_finished_result_comes_back_byte_for_byte(tmp_path: Path, work: Path) -> None:
    before = content(work)
    state = made(tmp_path, work)
    assert sorted(path.name for path in state.folder.iterdir()) == [FINISHED, "result"]
    (work / "out/a.bin").unlink()
    (work / "out/stale").write_text("of another run")
    (work / "curve.csv").unlink()
    result = state.take(work, fail)
    assert result is not None
    assert result.line == "loss 0.5"
    assert content(work) == before


@pytest.mark.parametrize("moment", ["sha256_file", "write_sealed"])
def test_until_the_marker_is_there_the_checkpoint_is(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(states, moment, die)
        with pytest.raises(SystemExit):
            made(tmp_path, work)
    state = State(tmp_path / "store", "train@0-one", KEY)
    assert state.take(work, fail) is None
    assert (state.folder / "checkpoint.safetensors").read_text() == "old"
    (state.folder / "result/of_that_run").write_text("")
    before = content(work)
    made(tmp_path, work)
    assert content(state.folder / "result") == before
    assert state.take(work, fail) is not None
    assert content(work) == before


@pytest.mark.parametrize("gone", ["out", "curve.csv"])
def test_a_result_without_one_of_its_outputs_is_not_kept(tmp_path: Path, work: Path, gone: str) -> None:
    (work / gone).rename(tmp_path / "gone")
    with pytest.raises(ErktError, match=f"{gone}: gone before it was kept"):
        made(tmp_path, work)
    state = State(tmp_path / "store", "train@0-one", KEY)
    assert state.take(work, fail) is None
    assert (state.folder / "checkpoint.safetensors").exists()


def test_outputs_that_vanish_while_they_are_kept_are_no_result(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last_moment(path: Path) -> str:
        (work / "out/a.bin").unlink(missing_ok=True)
        return "md5"

    monkeypatch.setattr(states, "md5_file", last_moment)
    with pytest.raises(ErktError, match="run dvc repro again"):
        made(tmp_path, work)
    assert State(tmp_path / "store", "train@0-one", KEY).take(work, fail) is None


def test_a_kept_result_that_lacks_an_output_is_damaged(tmp_path: Path, work: Path) -> None:
    state = made(tmp_path, work)
    facts = vars(states.read_result(state.folder))
    write_sealed(state.folder / FINISHED, facts | {"outs": ["out", "curve.csv", "model"]})
    warnings: list[str] = []
    assert state.take(work, warnings.append) is None
    assert "model was not kept" in warnings[0]


def test_halves_of_killed_writers_go_when_the_state_is_taken_up(tmp_path: Path, work: Path) -> None:
    state = State(tmp_path / "store", "train@0-one", KEY)
    half = state.folder / ".part-0123abcd-checkpoint.safetensors"
    half.parent.mkdir(parents=True)
    half.write_bytes(bytes(9))
    assert state.take(work, fail) is None
    assert not half.exists()


def test_writing_a_result_anew_leaves_the_kept_one_alone(tmp_path: Path, work: Path) -> None:
    """What is kept may be the same file as the output; outputs are replaced whole, never written into."""
    before, state = content(work), made(tmp_path, work)
    from erkt.files.replace import write_text

    write_text(work / "curve.csv", "another")
    assert state.take(work, fail) is not None
    assert content(work) == before


@pytest.mark.parametrize("name", [FINISHED, "result/out/a.bin", "result/curve.csv"])
@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
def test_a_damaged_result_is_never_used(tmp_path: Path, work: Path, name: str, harm: str) -> None:
    state = made(tmp_path, work)
    path = state.folder / name
    data = path.read_bytes()
    path.unlink()
    if harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "flip":
        place = data.index(b'"sha256": "') + 12 if name == FINISHED else 3
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    warnings: list[str] = []
    assert state.take(work, warnings.append) is None
    if not (harm == "gone" and name == FINISHED):  # without its marker it is simply not finished
        assert len(warnings) == 1
        assert "\n" not in warnings[0]
        assert str(state.folder) in warnings[0]
        assert not state.folder.exists()


def test_the_key_and_the_cell_name_the_state(tmp_path: Path, work: Path) -> None:
    made(tmp_path, work)
    assert State(tmp_path / "store", "train@0-one", "f" * 64).take(work, fail) is None
    assert State(tmp_path / "store", "train@0-two", KEY).take(work, fail) is None


def test_the_store_is_in_the_root_unless_the_environment_names_another(tmp_path: Path) -> None:
    assert store(tmp_path, {}) == tmp_path / ".inflight"
    assert store(tmp_path, {"ERKT_INFLIGHT": str(tmp_path / "scratch")}) == tmp_path / "scratch"


def test_collecting_deletes_what_is_held_elsewhere_and_nothing_else(tmp_path: Path, work: Path) -> None:
    held, kept = made(tmp_path, work, "a@0"), made(tmp_path, work, "b@0")
    unfinished = State(tmp_path / "store", "c@0", KEY)
    unfinished.folder.mkdir()
    asked: list[tuple[str, Result]] = []

    def is_held(stage: str, result: Result) -> bool:
        asked.append((stage, result))
        return stage == "a@0"

    collect(tmp_path / "store", is_held)
    assert [stage for stage, _ in asked] == ["a@0", "b@0"]
    assert asked[0][1].outs == ["out", "curve.csv"]
    assert (held.folder.exists(), kept.folder.exists(), unfinished.folder.exists()) == (False, True, True)


def test_collecting_leaves_what_another_process_works_on(tmp_path: Path, work: Path) -> None:
    state = made(tmp_path, work)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state.lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        collect(tmp_path / "store", lambda stage, result: True)
        assert state.folder.exists()
        other.kill()
        other.wait()
    collect(tmp_path / "store", lambda stage, result: True)
    assert not state.folder.exists()


def test_the_lock_ends_with_its_process_and_waiting_can_be_left(tmp_path: Path) -> None:
    lock, told = tmp_path / "locks/x.lock", []
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        asked = iter([False, False, True])
        with pytest.raises(KeyboardInterrupt), alone(lock, lambda: told.append(1), lambda: next(asked)):
            pytest.fail("two processes are inside")
        assert told == [1]
        other.kill()
        other.wait()
    with alone(lock, lambda: pytest.fail("nobody is inside"), lambda: False):
        pass


def test_where_no_lock_can_be_made_it_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ErktError, match="no lock can be made there"),
        alone(tmp_path / "file/x.lock", lambda: None, lambda: False),
    ):
        pass


def test_the_survey_tells_size_and_stage(tmp_path: Path, work: Path) -> None:
    state = made(tmp_path, work)
    other = State(tmp_path / "store", "distill@1", KEY)
    other.folder.mkdir()
    (other.folder / "checkpoint.safetensors").write_bytes(bytes(1000))
    second, first = survey(tmp_path / "store")[::-1]
    assert (first.stage, first.finished, first.bytes) == ("distill@1", False, 1000)
    assert (second.stage, second.finished) == ("train@0-one", True)
    assert second.bytes == sum(map(len, content(state.folder).values()))
    assert survey(tmp_path / "nowhere") == []
