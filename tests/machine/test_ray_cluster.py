"""Ray as an engine: one small cluster on this machine for all of these tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from erkt.errors import ErktError
from erkt.machine import ray_cluster
from erkt.machine.cluster import Ended, Needs

pytestmark = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: pip install 'erkt[fleet]'"
)

PATIENCE_SECONDS = 300  # on a busy machine
ONE = Needs()


@pytest.fixture(scope="module")
def cluster() -> Iterator[ray_cluster.RayCluster]:
    with ray_cluster.joined(None, 2) as cluster:
        ray_cluster.by_value(sys.modules[__name__])  # workers do not find tests
        yield cluster


def the_end(cluster: ray_cluster.RayCluster, count: int = 1) -> list[Ended]:
    found: list[Ended] = []
    limit = time.monotonic() + PATIENCE_SECONDS
    while len(found) < count:
        assert time.monotonic() < limit
        found += cluster.ended(1)
    return sorted(found, key=lambda ended: ended.key)


def refuse(line: str) -> None:
    raise ErktError(line)


def divide(number: int) -> float:
    return number / 0


def killed_once(marker: Path) -> int:
    """Die on the first attempt as from out of memory; return this process on the second."""
    if not marker.exists():
        marker.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def killed_always() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep_long(begun: Path) -> None:
    begun.write_text("")
    for _ in range(6000):
        time.sleep(0.1)


def test_values_errors_and_where(cluster: ray_cluster.RayCluster) -> None:
    cluster.submit("a", ONE, abs, -3)
    cluster.submit("b", ONE, refuse, "no space left\non the disk")
    cluster.submit("c", ONE, divide, 1)
    a, b, c = the_end(cluster, 3)
    (node,) = cluster.nodes()
    assert (a.key, a.value, a.error, a.node) == ("a", 3, None, node)
    assert (b.value, b.error, b.node) == (None, r"no space left\non the disk", node)
    assert c.error == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("cards", "held", "seen"),
    [(2.0, [], ""), (2.0, ["1"], "1"), (0.0, [], "1")],
    ids=["none", "one", "no cards"],
)
def test_a_task_that_holds_no_card_sees_none_of_a_machine_that_has_some(
    monkeypatch: pytest.MonkeyPatch, cards: float, held: list[str], seen: str
) -> None:
    """Ray shows it all of them. On a machine on which Ray counts none, nothing is changed."""
    import ray

    here = SimpleNamespace(get_node_id=lambda: "a", get_accelerator_ids=lambda: {"GPU": held})
    nodes = [{"NodeID": "a", "Resources": {"GPU": cards}}, {"NodeID": "b", "Resources": {"GPU": 8.0}}]
    monkeypatch.setattr(ray, "get_runtime_context", lambda: here)
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    board = MagicMock()
    assert ray_cluster._work(board, "x", os.getenv, ("CUDA_VISIBLE_DEVICES",))[2] == seen
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


def beside(folder: Path, own: str) -> int:
    """Return how many tasks run while this one does, which leaves after two seconds."""
    (folder / own).write_text("")
    time.sleep(2)  # for another to begin; where that takes longer, less is seen and nothing fails
    count = len(list(folder.iterdir()))
    (folder / own).unlink()
    return count


def test_no_more_tasks_run_than_there_are_places_though_nobody_hears_them_begin(
    cluster: ray_cluster.RayCluster, tmp_path: Path
) -> None:
    cluster._board.__ray_call__.remote(lambda board: time.sleep(4))
    for number in range(4):
        cluster.submit(str(number), ONE, beside, tmp_path, str(number))
    assert max(ended.value for ended in the_end(cluster, 4)) <= 2


def test_a_task_whose_process_is_killed_runs_again(cluster: ray_cluster.RayCluster, tmp_path: Path) -> None:
    cluster.submit("killed", ONE, killed_once, tmp_path / "marker")
    (ended,) = the_end(cluster)
    assert ended.error is None
    assert ended.value != os.getpid()


def test_a_task_whose_process_is_always_killed_is_given_up(cluster: ray_cluster.RayCluster) -> None:
    cluster.submit("killed", ONE, killed_always)
    (ended,) = the_end(cluster)
    assert (ended.value, ended.error) == (None, "its process or machine was lost 4 times")


def test_what_the_engine_gives_up_is_one_line(cluster: ray_cluster.RayCluster) -> None:
    from ray import exceptions

    assert cluster._why(exceptions.OutOfMemoryError("Memory on the node was\nlow")) == (
        "its machine ran out of memory 4 times; give each more CPUs, so that fewer run"
    )
    assert cluster._why(exceptions.TaskUnschedulableError("none")) == "no machine has what it needs"


def test_asked_to_stop_what_runs_leaves_and_what_waits_never_begins(
    cluster: ray_cluster.RayCluster, tmp_path: Path
) -> None:
    for number in range(3):
        cluster.submit(str(number), ONE, sleep_long, tmp_path / str(number))
    limit = time.monotonic() + PATIENCE_SECONDS
    while len(list(tmp_path.iterdir())) < 2 or len(cluster.running()) < 2:
        assert time.monotonic() < limit
        time.sleep(0.1)
    ended = cluster.stop()
    assert {one.error for one in ended} == {"stopped"}
    assert len(ended) == 3
    assert len(list(tmp_path.iterdir())) == 2
    assert cluster.ended(0) == []
    cluster.submit("after", ONE, abs, -1)
    assert the_end(cluster)[0].value == 1


def test_nobody_joins_without_its_token(cluster: ray_cluster.RayCluster) -> None:
    """Ray's ports listen beyond this machine."""
    import ray

    address = ray.get_runtime_context().gcs_address
    script = (
        "import sys\nfrom ray._raylet import GcsClient\n"
        "print(GcsClient(address=sys.argv[1]).get_all_node_info(timeout=20))\n"
    )
    other = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    done = subprocess.run(
        [sys.executable, "-c", script, address], env=other, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "nauthenticated" in done.stderr or "oken" in done.stderr
