"""What the prepared command is made of: time, processes, distances, and the length that fits."""

import json
import math
import os
import signal
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.day import bounds, cells, processes, table9
from benchmarks.day.budget import until
from benchmarks.day.cells import Work
from benchmarks.day.parts import graphs_refused
from benchmarks.day.processes import Outcome, context, last_line, run_beside
from benchmarks.day.protocols import preset_of, protocols, stored_views
from erkt.errors import ErktError

ROWS = {"epochs": 600, "views": 100, "pretrained": True, "toy": False}


def work(folder: Path, epochs: int = 600) -> Work:
    rows = protocols("aid100-64", ["base", "dist5"], **ROWS | {"epochs": epochs})
    return Work(rows, folder, "cpu", 1, 60, {}, time.time() + 60)


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def fail() -> None:
    raise ValueError("this one\nfails")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait() -> None:
    time.sleep(60)


def meet(shared: Work, seed: int, row: str, barrier: Barrier) -> None:
    barrier.wait(60)
    write(shared.folder / f"{seed}-{row}", json.dumps(shared.rows[row]["distill"]))


@pytest.mark.parametrize(("kept", "refused"), [((True, True), False), ((True, False), True)])
def test_graphs_are_refused_where_the_equivalence_has_found_them_out_of_bounds(
    tmp_path: Path, kept: tuple[bool, bool], refused: bool
) -> None:
    assert not graphs_refused(tmp_path)  # another call has looked, or nobody
    names = ("graphs", "graphs, statistics")
    checks = [
        {"name": "losses", "kept": False},
        *({"name": n, "kept": k} for n, k in zip(names, kept, strict=True)),
    ]
    (tmp_path / "equivalence.json").write_text(json.dumps(checks))
    assert graphs_refused(tmp_path) == refused


def test_time_is_shared_by_weight_among_the_parts_that_wait() -> None:
    assert until("one", {"one": 2.0, "two": 3.0, "three": 5.0}, 100.0, 200.0) == 120.0
    assert until("two", {"two": 3.0, "three": 5.0}, 104.0, 200.0) == 140.0
    assert until("three", {"three": 5.0}, 210.0, 200.0) == 210.0


class Clock:
    """Says that time is over once ``enough`` processes have ended by themselves."""

    def __init__(self, enough: int) -> None:
        self.enough, self.sleep = enough, time.sleep
        self.heard: list[int] = [0]

    def time(self) -> float:
        return time.time() + (1e6 if self.heard[-1] >= self.enough else 0)


def test_each_process_ends_in_its_own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {
        "good": (write, (tmp_path / "made", "done")),
        "bad": (fail, ()),
        "gone": (die, ()),
        "slow": (wait, ()),
    }
    clock = Clock(enough=3)
    monkeypatch.setattr(processes, "time", clock)

    def meanwhile(done: dict[str, Outcome]) -> None:
        clock.heard.append(len(done))
        raise ValueError("this leaves the processes alone")

    ended = run_beside(tasks, "cpu", time.time() + 1e5, meanwhile)
    assert (tmp_path / "made").read_text() == "done"
    assert ended["good"].error is None
    assert last_line(ended["bad"].error or "") == "fails"
    assert "status -9" in (ended["gone"].error or "")
    assert ended["slow"].error == "it was ended: its time was over"
    assert clock.heard[-1] == len(tasks)


def test_what_a_new_interpreter_is_handed_gets_there(tmp_path: Path) -> None:
    """As beside a GPU, where nothing may be forked."""
    shared, barrier = work(tmp_path), context("cuda").Barrier(1)
    ended = run_beside({"it": (meet, (shared, 3, "base", barrier))}, "cuda", time.time() + 120)
    assert ended["it"].error is None
    assert json.loads((tmp_path / "3-base").read_text()) == shared.rows["base"]["distill"]


def test_distances_are_those_of_their_definitions() -> None:
    one, other = np.array([3.0, 4.0, 0.5]), np.array([3.0, 1.0, 0.0])
    pair = torch.from_numpy(one), torch.from_numpy(other)
    assert bounds.share_beyond(*pair, 0.5) == pytest.approx(1 / 3)
    assert bounds.relative(*pair) == pytest.approx(np.linalg.norm(one - other) / np.linalg.norm(other))
    assert bounds.largest(*pair) == pytest.approx(1.0)
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert bounds.turned(*pair) == pytest.approx(1 - cosine)


def test_a_number_that_is_none_keeps_no_bound() -> None:
    values = torch.tensor([1.0, math.nan])
    assert bounds.share_beyond(values, torch.tensor([1.0, 1.0]), 0.1) == 0.5
    check = bounds.Check("it", "a distance", bounds.relative(values, torch.ones(2)), 1.0)
    assert (check.kept, check.row()["found"]) == (False, "nan")


def test_rows_are_those_of_the_experiment_at_the_length_asked_for() -> None:
    rows = protocols("aid100-64", ["base", "dist", "erkt", "dist5"], **ROWS)
    assert {row: params["distill"]["recipe"]["epochs"] for row, params in rows.items()} == {
        "base": 600, "dist": 600, "erkt": 600, "dist5": 3000,
    }  # fmt: skip
    assert [rows[row]["distill"]["loss"] for row in ("base", "dist", "erkt")] == ["none", "dist", "dist"]
    assert rows["dist"]["vsm"] == rows["erkt"]["base"] != rows["erkt"]["vsm"]
    assert stored_views(rows) == {"base": 500, "vsm": 100}


def test_networks_begin_at_random_without_weights() -> None:
    sources = {
        pretrained: protocols("aid100-64", ["erkt"], **ROWS | {"pretrained": pretrained})["erkt"]["student"][
            "weights"
        ]["source"]
        for pretrained in (True, False)
    }
    assert sources == {True: "file", False: "none"}


def test_the_preset_is_told_by_the_name_of_the_archive() -> None:
    assert preset_of(Path("a/AID100.zip")) == "aid100-64"
    assert preset_of(Path("eurosat.zip")) == "eurosat-tr5"
    with pytest.raises(ErktError, match="say --preset"):
        preset_of(Path("nwpu.zip"))


@pytest.mark.parametrize(("seconds", "epochs"), [(0.1, 160), (0.01, 600)])
def test_students_get_the_epochs_that_fit_by_the_slowest_pace(
    seconds: float, epochs: int, tmp_path: Path
) -> None:
    """A row of five times as many epochs counts five times: 100 s by 0.8 make 160 of 0.5 s."""
    shared, done, now = work(tmp_path), {"0 base": Outcome(1.0, "it failed")}, time.time()
    asked = table9.Asked(dict(shared.rows), Path("images.zip"), {}, (0,), 600, 60, {})
    table9.decide(shared, asked, ["0 base", "0 dist5"], done, now + 100, now)
    assert not (tmp_path / cells.LENGTH).exists()
    show_pace(shared, "dist5", seconds)
    table9.decide(shared, asked, ["0 base", "0 dist5"], done, now + 100, now)
    assert json.loads((tmp_path / cells.LENGTH).read_text())["epochs"] == epochs


def test_nobody_waits_for_ever_for_a_student_that_shows_no_pace(tmp_path: Path) -> None:
    shared, now = work(tmp_path), time.time()
    asked = table9.Asked(dict(shared.rows), Path("images.zip"), {}, (0,), 600, 60, {})
    show_pace(shared, "base", 0.1)
    for later in (0.0, table9.PATIENCE - 5):
        table9.decide(shared, asked, ["0 base", "0 dist5"], {}, now + 200, now + later)
        assert not (tmp_path / cells.LENGTH).exists()
    table9.decide(shared, asked, ["0 base", "0 dist5"], {}, now + 200, now + table9.PATIENCE + 5)
    assert (tmp_path / cells.LENGTH).exists()


def show_pace(shared: Work, row: str, seconds: float) -> None:
    folder = shared.of(0, row)
    folder.mkdir(parents=True)
    write(folder / cells.PACE, json.dumps({"seconds": seconds}))
