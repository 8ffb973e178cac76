"""What a fleet refuses, or says, of machines that do not fit: one line each, which names the machine."""

import errno
import fcntl
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from clone import Clone
from fleet_source import commit, plan_of, write_source
from full_disk import fill, mounted

from erkt.errors import ErktError
from erkt.machine.cluster import Ended, Needs
from erkt.pipeline.committed import require_commit
from erkt.pipeline.fleet import head, worker
from erkt.pipeline.fleet.place import Where
from erkt.pipeline.fleet.plan import Options, planned
from erkt.pipeline.git import git


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source")


class Answers:
    """A cluster whose machines have answered the check so."""

    def __init__(self, *ended: Ended) -> None:
        self._ended = ended

    def everywhere(
        self, function: Callable[..., Any], *arguments: object, leave: Callable[[], bool]
    ) -> list[Ended]:
        return list(self._ended)

    def nodes(self) -> dict[str, dict[str, float]]:
        return {"a": {"CPU": 2.0}}


def answer(
    name: str, late: float = 0.0, machine: str = os.uname().machine, error: str | None = None
) -> Ended:
    return Ended(name, name, 0.1, {"clock": time.time() - late, "machine": machine}, error)


def test_a_clock_that_is_off_and_another_processor_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    machines = [answer("a"), answer("b", late=7200), answer("c", late=-300), answer("d", machine="riscv")]
    head._check_machines(Answers(*machines), {}, lambda: False)  # type: ignore[arg-type]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"b: its clock is 7[12]\d\d s off; times there mislead", lines[0])
    assert re.fullmatch(r"c: its clock is (29\d|300) s off; times there mislead", lines[1])
    assert lines[2] == "d: another kind of processor (riscv); results round otherwise"


def test_a_machine_that_does_not_fit_stops_the_run_at_its_start() -> None:
    machines = [answer("a"), answer("b", error="torch is 1 here and 2 on the head")]
    with pytest.raises(ErktError, match=r"^b: torch is 1 here and 2 on the head$"):
        head._check_machines(Answers(*machines), {}, lambda: False)  # type: ignore[arg-type]


class WithCards(Answers):
    def nodes(self) -> dict[str, dict[str, float]]:
        return {"a": {"CPU": 8.0, "GPU": 2.0}}


def test_a_stage_without_a_word_on_cards_takes_what_all_cells_take_also_in_a_row_of_a_table() -> None:
    stages = {"distill": (4.0, None), "prepare": (8.0, 0.0)}
    graph: dict[str, list[str]] = {
        name: [] for name in ("distill@0", "split@0", "distill@0 of a-b", "prepare of a-b")
    }
    for asked, cards in ((None, 1.0), (0.5, 0.5)):
        needs = head._needs(WithCards(), Where("10.0.0.1:6379", 2, 1.0, asked, stages, None), graph)  # type: ignore[arg-type]
        found = [needs(cell) for cell in graph]
        assert found == [Needs(4, cards), Needs(1, cards), Needs(4, cards), Needs(8, 0)]


@pytest.mark.parametrize("cell", [(4.0, 0.0), (1.0, 1.0)])
def test_what_no_machine_will_ever_have_is_refused_where_none_can_join(
    cell: tuple[float, float], capsys: pytest.CaptureFixture[str]
) -> None:
    for address in (None, "10.0.0.1:6379"):
        where = Where(address, 2, 1.0, None, {"distill": cell}, None)
        graph: dict[str, list[str]] = {"distill@0": [], "split@0": []}
        if address:
            head._needs(Answers(), where, graph)  # type: ignore[arg-type]
            assert "for a cell yet; waiting for one" in capsys.readouterr().err
        else:
            with pytest.raises(ErktError, match="--workers says how many cores this one gives"):
                head._needs(Answers(), where, graph)  # type: ignore[arg-type]


def test_cells_of_a_commit_that_is_no_longer_checked_out_are_not_taken_home(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source)
    made_of = git(source, "rev-parse", "HEAD").strip()
    require_commit(made_of)
    (source / git(source, "ls-files").split()[0]).write_text("changed")
    with pytest.raises(ErktError, match="commit first"):
        require_commit(made_of)
    commit(source)
    with pytest.raises(ErktError, match=f"at commit {made_of[:10]}, which is no longer checked out"):
        require_commit(made_of)


def test_timings_that_cannot_be_kept_end_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").write_text("no folder")
    head.keep_sidecar(Ended("split@0", "a", 0.1, {"sidecar": "{}"}, None))
    assert capsys.readouterr().err.startswith("split@0: no timings kept: ")


def test_a_machine_that_comes_later_is_checked_by_each_cell(source: Path, tmp_path: Path) -> None:
    """It took no part in the check at the start."""
    with pytest.raises(RuntimeError, match=r"^numpy is .* here and 0 on the head"):
        worker.make(plan_of(source, tmp_path, versions={"numpy": "0"}), "split@0")
    with pytest.raises(RuntimeError, match="not the head's folder here"):
        worker.make(plan_of(source, tmp_path, proofs=[str(tmp_path / "proof")]), "split@0")
    assert not (tmp_path / "clones").exists()


def test_a_file_system_that_knows_no_locks(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    (tmp_path / "proof").write_text("")
    monkeypatch.setattr(fcntl, "flock", refuse)
    line = f"^{re.escape(str(tmp_path))}/proof: no lock can be taken there: No locks available$"
    with pytest.raises(RuntimeError, match=line):
        worker.check(plan_of(source, tmp_path, proofs=[str(tmp_path / "proof")]))


@pytest.mark.parametrize("size", ["16k", "256k"], ids=["clone", "cell"])
def test_a_full_disk(source: Path, tmp_path: Path, size: str) -> None:
    """In the midst of a clone, and while a cell works, whose own words find no room any more."""
    code = source / "erkt/pipeline/fleet/cell.py"
    code.write_text("import pathlib\npathlib.Path('large').write_bytes(bytes(10**6))\n")
    commit(source)
    with mounted(tmp_path / "disk", size) as disk:
        if size == "16k":
            fill(disk)
        with pytest.raises((RuntimeError, OSError)) as error:
            worker.make(plan_of(source, tmp_path, clones=str(disk)), "split@0")
    assert "\n" not in str(error.value)
    assert re.search("(?i)no space left", str(error.value))


def test_a_stage_that_was_killed_may_have_had_too_little_memory(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as error:
        worker.make(plan_of(source, tmp_path), "killed")
    assert str(error.value) == (
        "failed to run: python, exited with -9 (if nobody did that, its machine may have run out of memory; "
        "give each cell more CPUs, so that fewer run)"
    )


def test_code_and_params_that_are_not_committed_and_a_store_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = Clone(tmp_path)
    monkeypatch.chdir(tmp_path)
    here = Options(None, None, remote=False)

    def refused() -> str:
        with pytest.raises(ErktError) as error, planned(tmp_path, here, ""):
            pass
        return str(error.value)

    monkeypatch.setenv("ERKT_INFLIGHT", str(tmp_path / "README.md/inflight"))
    assert re.search(r"README\.md/inflight/locks: no lock can be made there: .*Not a directory", refused())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(clone.params | {"seeds": [7]}))
    assert refused().startswith("params.yaml: not as in commit ")
