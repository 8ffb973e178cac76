"""The order of cells over a cluster, what a worker does with git and processes, and what is shown."""

import fcntl
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
import yaml
from clone import TINY
from closure import ROOT
from fleet_source import plan_of, write_source
from threads_cluster import ThreadsCluster

from erkt.errors import ErktError
from erkt.machine import ray_cluster
from erkt.machine.cluster import Ended, Needs, Running
from erkt.pipeline.cells import cells_up_to
from erkt.pipeline.fleet import worker
from erkt.pipeline.fleet.display import displayed, report, seconds_left, span
from erkt.pipeline.fleet.making import Standing, make_all
from erkt.pipeline.fleet.rows import merged

GRAPH = {"a": set(), "b": set(), "c": {"a"}, "d": {"a", "b"}, "e": {"c", "d"}}


def make(graph: Mapping[str, set[str]], cluster: Any, function: Any, leave: Any = lambda: False) -> Standing:
    kept: list[str] = []
    standing = make_all(
        graph,
        cluster,
        lambda cell: Needs(),
        function,
        lambda cell: ("plan", cell),
        show=lambda standing: None,
        kept=lambda ended: kept.append(ended.key),
        leave=leave,
    )
    assert sorted(kept) == sorted(standing.made)
    return standing


@pytest.mark.parametrize("seed", range(5))
def test_each_cell_runs_once_after_all_that_it_needs(seed: int) -> None:
    """A random graph of 60 cells on 4 places."""
    draw = random.Random(seed)
    graph = {str(n): {str(draw.randrange(n)) for _ in range(min(n, 3))} for n in range(60)}
    done: list[str] = []
    early = []

    def function(plan: str, cell: str) -> None:
        early.extend(graph[cell] - set(done))
        time.sleep(draw.random() / 500)
        done.append(cell)

    standing = make(graph, ThreadsCluster(4), function)
    assert (early, sorted(done), standing.failed) == ([], sorted(graph), {})


def test_a_cell_that_fails_holds_back_only_what_needs_it() -> None:
    def function(plan: str, cell: str) -> None:
        if cell == "b":
            raise RuntimeError("no space left")

    standing = make(GRAPH, ThreadsCluster(2), function)
    assert sorted(standing.made) == ["a", "c"]
    assert standing.failed == {"b": "no space left"}
    lines = report(standing).splitlines()
    assert "b     here         0.0  failed: no space left" in lines
    assert [line for line in lines if line.endswith("not begun: what it needs is missing")] == [
        "d                       not begun: what it needs is missing",
        "e                       not begun: what it needs is missing",
    ]


def test_asked_to_leave_it_waits_for_what_runs_and_begins_nothing() -> None:
    begun = threading.Event()
    cluster = ThreadsCluster(1)

    def function(plan: str, cell: str) -> None:
        begun.set()
        time.sleep(0.05)

    standing = make(GRAPH, cluster, function, leave=begun.is_set)
    assert cluster.stopped
    assert set(cluster.submitted) == {"a", "b"}
    assert set(standing.ended) == {"a", "b"}


def rows_of(**changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tiny protocol by row, with other values at dotted keys."""
    rows = {name: yaml.safe_load(TINY.read_text(encoding="utf-8")) for name in changes}
    for name, values in changes.items():
        for key, value in values.items():
            *blocks, last = key.split(".")
            reduce(getitem, blocks, rows[name])[last] = value
    return rows


def test_what_rows_share_is_made_once_and_what_differs_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ends = ("summarize",)
    cells = {cell.name for cell in cells_up_to(rows_of(a={})["a"], ends)}
    student = {"distill@0", "evaluate@0", "summarize"}
    found = merged(
        rows_of(
            first={},
            ratio={"distill.loss_ratio": 0.5},
            threads={"runtime.threads": 3},
            teacher={"teachers.two.recipe.epochs": 2},
            other={"dataset.scenes.seed": 1},
        ),
        ends,
    )
    of = {row: {key.partition(" of ")[2] for key in keys} for row, keys in found.row.items()}
    assert of == {
        "first": {"first"},
        "ratio": {"first", "ratio"},
        "threads": {"first"},
        "teacher": {"first", "teacher"},
        "other": {"other"},
    }
    assert {cell for row, cell in found.of.values() if row == "ratio"} == student
    assert {cell for row, cell in found.of.values() if row == "other"} == cells
    after = {"train_teacher@0-two", "evaluate_teacher@0-two", "cache_logits@0-two-0", "search_weights@0"}
    assert {cell for row, cell in found.of.values() if row == "teacher"} == after | student
    assert found.graph["distill@0 of ratio"] >= {"cache_logits@0-one-0 of first", "split@0 of first"}
    cached = {"cache_logits@0-one-0 of first", "cache_logits@0-two-0 of teacher"}
    assert found.graph["distill@0 of teacher"] >= cached
    assert all(set(keys) >= found.graph[key] for keys in found.row.values() for key in keys)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source")


def test_a_worker_makes_a_cell_in_a_clean_clone_of_the_commit(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_JOB_ID", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    plan = plan_of(source, tmp_path, environment={"ERKT_INFLIGHT": "there"})
    for _ in range(2):  # the second time what the first left in the clone is gone again
        assert worker.make(plan, "split@0") == {"others": ["prepare"], "sidecar": "{}"}
    (host,) = (tmp_path / "clones").iterdir()
    assert host.name == os.uname().nodename
    assert (host / "logs/split@0.log").read_text().splitlines()[2::3] == ["['ERKT_INFLIGHT']"] * 2
    assert f"dir = {tmp_path}/cache\n    type = hardlink\n" in (host / "0/.dvc/config.local").read_text()
    with pytest.raises(RuntimeError, match=r"^bad: no such image$"):
        worker.make(plan, "bad")
    assert not (host / "1").exists()


def test_a_clone_that_is_taken_or_holds_a_stage_is_left_alone(source: Path, tmp_path: Path) -> None:
    plan = plan_of(source, tmp_path)
    worker.check(plan)
    (host,) = (tmp_path / "clones").iterdir()
    (host / "0/.dvc/tmp/erkt").mkdir(parents=True)
    with (host / "0/.dvc/tmp/erkt/split@0.lock").open("w") as stage:
        fcntl.flock(stage, fcntl.LOCK_EX)
        worker.make(plan, "split@0")
        assert (host / "1").is_dir()
        with (host / "1.lock").open("r+") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            worker.make(plan, "split@0")
            assert (host / "2").is_dir()
    worker.make(plan, "split@0")
    assert not (host / "3").exists()


def test_a_damaged_clone_is_made_anew(source: Path, tmp_path: Path) -> None:
    plan = plan_of(source, tmp_path)
    worker.check(plan)
    (host,) = (tmp_path / "clones").iterdir()
    (host / "0/.git/index.lock").write_text("")  # git was killed
    assert worker.make(plan, "split@0")["sidecar"] == "{}"


def test_locks_that_a_killed_dvc_left_hold_nobody_back(source: Path, tmp_path: Path) -> None:
    """DVC takes them for held as long as there is a process of that number."""
    plan = plan_of(source, tmp_path)
    worker.check(plan)
    (host,) = (tmp_path / "clones").iterdir()
    left = {"write": {"data": {"pid": os.getpid(), "cmd": "dvc repro"}}, "read": {}}
    (host / "0/.dvc/tmp").mkdir(exist_ok=True)
    (host / "0/.dvc/tmp/rwlock").write_text(json.dumps(left))
    worker.make(plan, "split@0")
    assert list((host / "0/.dvc/tmp").iterdir()) == []


def test_what_it_started_ends_when_it_is_interrupted(source: Path, tmp_path: Path) -> None:
    script = (
        "import sys, json\nfrom erkt.pipeline.fleet import worker\n"
        "worker.make(json.loads(sys.argv[1]), 'long')\n"
    )
    plan = json.dumps(plan_of(source, tmp_path))
    usual = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    process = subprocess.Popen([sys.executable, "-c", usual + script, plan], cwd=ROOT, stderr=subprocess.PIPE)
    while not [log for log in tmp_path.glob("clones/*/logs/long.log") if "begun" in log.read_text()]:
        assert process.poll() is None, process.stderr
        time.sleep(0.05)
    (child,) = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert b"KeyboardInterrupt" in told
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_what_cannot_be_made_is_refused_in_one_line(source: Path, tmp_path: Path) -> None:
    def refused(**others: Any) -> str:
        with pytest.raises(RuntimeError) as error:
            worker.check(plan_of(source, tmp_path, **others))
        assert "\n" not in str(error.value)
        return str(error.value)

    assert re.match(r"torch is \S+ here and 0\.1 on the head", refused(versions={"torch": "0.1"}))
    assert "erkt-none is not installed here" in refused(versions={"erkt-none": "1"})
    assert refused(commit="0" * 40) == (
        f"commit 0000000000 is not at {source}; git push it, and run the same again"
    )
    assert "git fetch: " in refused(commit="0" * 40, source=str(tmp_path / "none"))
    assert "not the head's folder here" in refused(proofs=[str(tmp_path / "locks/proof")])
    (tmp_path / "proof").write_text("")
    assert "a lock that the head holds is not seen here" in refused(proofs=[str(tmp_path / "proof")])
    (tmp_path / "file").write_text("")
    assert "no clones can be made there" in refused(clones=str(tmp_path / "file"))
    with (tmp_path / "proof").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        both = [str(tmp_path / "proof"), str(tmp_path / "cache/proof")]
        assert f"{tmp_path}/cache: not the head's folder here" in refused(proofs=both)
        assert worker.check(plan_of(source, tmp_path, proofs=[str(tmp_path / "proof")]))["machine"]


def test_without_a_terminal_each_beginning_and_each_end_is_a_line_once() -> None:
    stream = io.StringIO()
    standing = Standing(["a", "b"], {}, {"a": Running("one", time.time())})
    with displayed(stream) as display:
        display.show(standing)
        display.show(standing)
        standing.ended["a"] = Ended("a", "one", 3.0, None, None)
        display.show(standing)
        standing.ended["b"] = Ended("b", "two", 3.0, None, "no space left")
        display.show(standing)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "a: runs on one"
    assert lines[1].startswith("a: made in 3 s on one; 1 of 2 done, 0 running")
    assert lines[2] == "b: failed: no space left on two; 2 of 2 done, 0 running"
    assert len(lines) == 3


def test_what_is_left_counts_each_cell_as_its_stage_has_taken() -> None:
    """By hand: teachers took 100 and 200 s, so 150 s for one, 50 of them gone; 6 s to split; two places."""
    ended = {
        name: Ended(name, "one", seconds, None, None)
        for name, seconds in (("train@0-a of x", 100.0), ("train@0-b of x", 200.0), ("split@0 of x", 6.0))
    }
    running = {"train@1-a of x": Running("one", 1000.0)}
    cells = [*ended, *running, "split@1 of x"]
    expected = (150 - 50 + 6) / 2
    assert seconds_left(Standing(cells, ended, running), 2, now=1050.0) == (expected, True)
    later = Standing([*cells, "distill@0 of x"], ended, running)
    assert seconds_left(later, 2, now=1050.0) == (expected, False)


def test_who_reads_the_lines_may_go() -> None:
    reading, writing = os.pipe()
    with open(writing, "w", encoding="utf-8") as stream, displayed(stream) as display:
        os.close(reading)
        display.show(Standing(["a"], {}, {"a": Running("one", time.time())}))
        display.show(Standing(["a"], {"a": Ended("a", "one", 3.0, None, None)}, {}))
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)  # what is still in the buffer, at its close


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_there_is_a_table_that_goes_in_the_end() -> None:
    stream = Terminal()
    running = {str(number): Running("one", time.time() - 7) for number in range(40)}
    standing = Standing([*running, "b"], {"b": Ended("b", "two", 3.0, None, "no space left")}, running)
    with displayed(stream) as display:
        display.show(standing)
    told = stream.getvalue()
    assert "1 of 41 done, 40 running" in told
    assert "and 10 more" in told
    assert re.search("b .*two .*failed: no space left", told)
    assert told.endswith("\x1b[2K")  # the last line is erased


@pytest.mark.parametrize(("seconds", "shown"), [(42, "42 s"), (200, "3 min"), (9000, "2.5 h")])
def test_spans(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def command(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-m", "erkt", "fleet", "repro", *words],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--workers", "0"], "--workers 0: expected 1 or more"),
        (["--cpus", "-1"], "--cpus -1: expected 0 or more"),
        (["--need", "distil=1"], "--need distil=1: dvc.yaml has no stage 'distil'; did you mean 'distill'?"),
        (["--gpus", "1.5"], "--gpus 1.5 cards: expected a share of one, or whole ones"),
        (
            ["--need", "distill=1,1.5"],
            "--need distill=1,1.5: 1.5 cards: expected a share of one, or whole ones",
        ),
        (["--need", "distill"], "--need distill: expected STAGE=CPUS or STAGE=CPUS,GPUS, as distill=2,0.5"),
    ],
)
def test_bad_options_are_one_line(words: list[str], line: str) -> None:
    done = command(ROOT, *words)
    assert (done.returncode, done.stderr) == (1, f"error: {line}\n")


def test_nothing_imports_ray_but_joining_a_cluster() -> None:
    """Not even the modules that use it, as the package is optional."""
    script = (
        "import sys\n"
        "import erkt.cli.predict, erkt.cli.embed, erkt.deploy.elsewhere, erkt.machine.ray_cluster\n"
        "import erkt.pipeline.commands.fleet, erkt.pipeline.commands.experiment\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'ray']\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_without_ray_it_is_one_line(tmp_path: Path) -> None:
    script = (
        "from erkt.errors import ErktError\nfrom erkt.machine.ray_cluster import joined\n"
        "try:\n    joined(None, 1).__enter__()\nexcept ErktError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}/tests/without:{ROOT}", "WITHOUT": "ray"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"Ray is not installed for {sys.executable}; run: pip install 'erkt[fleet]'\n", done


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("127.0.0.1:9", "127.0.0.1:9: no cluster answers there; ray start --head starts one"),
        ("somewhere", "somewhere: no address of a cluster; expected HOST:PORT, as ray start prints it"),
    ],
)
def test_an_unreachable_cluster_is_one_line(address: str, line: str) -> None:
    with pytest.raises(ErktError, match=f"^{re.escape(line)}$"), ray_cluster.joined(address, 1):
        pass


def test_a_cluster_that_others_reach_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "_answers", lambda address: True)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(ErktError, match="set RAY_AUTH_MODE=token"), ray_cluster.joined("10.0.0.1:6379", 1):
        pass


class SlowToStart(ModuleType):
    """Ray where its parts are not up in time for the first ``times``."""

    def __init__(self, times: int) -> None:
        super().__init__("ray")
        self.times, self.ended = times, 0

    def init(self, **settings: object) -> None:
        if self.ended < self.times:
            raise Exception("The current node timed out during startup.\nLater.")  # noqa: TRY002  # as Ray does

    def shutdown(self) -> None:
        self.ended += 1


def test_a_start_on_a_busy_machine_is_tried_again_and_then_one_line() -> None:
    ray_cluster._init(SlowToStart(2), None, {})
    with pytest.raises(ErktError, match=r"^Ray: The current node timed out during startup\. Later\.$"):
        ray_cluster._init(SlowToStart(3), None, {})
    with pytest.raises(ErktError, match=r"^Ray at 127\.0\.0\.1:1: The current"):
        ray_cluster._init(SlowToStart(1), "127.0.0.1:1", {})
