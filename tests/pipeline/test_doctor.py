"""Every finding of the check-up can be provoked, by made-up facts or by the real thing where that is quick."""

import contextlib
import hashlib
import http.server
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import questioned
import torch
import yaml
from clone import Clone
from closure import ROOT

from erkt.errors import ErktError
from erkt.files.json_file import write_json
from erkt.inflight.states import FINISHED, Found, State
from erkt.params.protocol import Protocol, check
from erkt.params.runtime import Runtime
from erkt.pipeline.commands.doctor import Checkup
from erkt.pipeline.doctor import (
    dvc_cache,
    dvc_lock,
    dvc_remote,
    dvc_side,
    inputs,
    machine,
    space,
    state,
    step_time,
    tracker,
    units,
    versions,
)
from erkt.pipeline.doctor.findings import Finding, note, ok, problem
from erkt.pipeline.doctor.question import Question

DAY = 86400.0
GUARD = 60.0  # seconds after which a test that hangs ends


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the user's stands between a test and its servers."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def protocol(file: str = "tests/tiny.yaml", **dataset: object) -> Protocol:
    params: dict[str, Any] = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    params["dataset"] |= dataset
    return check(params, file)


def levels(findings: Iterator[Finding] | Sequence[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """An address that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_line_has_its_level_and_what_to_do() -> None:
    assert str(ok("fine")) == "ok       fine"
    assert str(note("slow", "faster")) == "note     slow; fix: faster"
    assert str(problem("broken", "mend")) == "problem  broken; fix: mend"


def test_sizes_and_ages_are_in_their_largest_unit() -> None:
    assert [units.size(count) for count in (0, 999, 1000, 6.19e9, 250e6, 2e12)] == [
        *("0 B", "999 B", "1.0 kB", "6.2 GB", "250 MB", "2.0 TB")
    ]
    assert [units.age(seconds) for seconds in (5, 119, 7199, 2 * 86400 - 1, 9.5 * DAY)] == [
        *("5 seconds", "119 seconds", "119 minutes", "47 hours", "9 days")
    ]


# Versions


def software(**installed: str | None) -> versions.Software:
    found = {"torch": "2.14.1", "dvc": "3.67.1"} | installed
    return versions.Software("3.11.7", ">=3.11", ("torch>=2.11", "dvc>=3.60,<4"), found)


def test_packages_within_bounds_are_fine_local_builds_and_release_candidates_too() -> None:
    assert levels(versions.findings(software())) == ["ok"]
    assert levels(versions.findings(software(torch="2.15.0rc1+cu130"))) == ["ok"]


def test_a_package_out_of_bounds_and_a_missing_one_are_problems() -> None:
    old, missing = versions.findings(software(torch="2.10.2", dvc=None))
    assert old.level == missing.level == "problem"
    assert "torch 2.10.2, expected torch>=2.11" in old.what
    assert "dvc is not installed" in missing.what
    assert levels(versions.findings(software(dvc="4.0.0"))) == ["problem"]


def test_a_python_that_is_too_old_is_a_problem() -> None:
    old = versions.Software("3.10.4", ">=3.11", (), {})
    assert "Python 3.10.4, expected Python >=3.11" in only(versions.findings(old)).what


def test_this_environment_is_within_the_bounds_of_pyproject() -> None:
    found = versions.look(ROOT / "pyproject.toml")
    assert {"torch", "torchvision", "timm", "dvc", "mlflow"} <= set(found.installed)
    assert levels(versions.findings(found)) == ["ok"]


def test_a_description_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    for text in ("[project", "[tool]", None):
        file = tmp_path / "pyproject.toml"
        file.unlink(missing_ok=True) if text is None else file.write_text(text)
        with pytest.raises(ErktError, match="not readable as the project's description"):
            versions.look(file)


@pytest.mark.parametrize(("torch_version", "other"), [("2.14.1", "0.29.2"), ("2.11.0+cpu", "0.26.0+cpu")])
def test_torch_and_torchvision_that_were_released_together_are_a_pair(torch_version: str, other: str) -> None:
    assert list(versions.pair(torch_version, other, None)) == []


@pytest.mark.parametrize("other", ["0.28.1", "0.30.0", "1.29.0"])
def test_a_mismatched_pair_is_a_problem_with_the_version_that_fits(other: str) -> None:
    finding = only(versions.pair("2.14.1", other, "operator torchvision::nms does not exist"))
    assert finding.level == "problem"
    assert "torchvision==0.29.*" in finding.fix


def test_operations_that_do_not_load_are_a_problem_of_a_matching_pair_too() -> None:
    finding = only(versions.pair("2.14.1+cpu", "0.29.2", "operator torchvision::nms does not exist"))
    assert "torchvision::nms" in finding.what
    assert "torch==2.14.1 torchvision==0.29.2" in finding.fix
    assert versions.load_operations() is None


def test_a_torchvision_that_does_not_import_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert "torchvision" in (versions.load_operations() or "")


# Machine

GPU = machine.Gpu("H200", 150 * 10**9, 149 * 10**9)


def device(**changes: Any) -> machine.Device:
    facts = {
        "setting": "auto",
        "chosen": "cpu",
        "refusal": "",
        "gpu": None,
        "torch": "2.14.1",
        "driver": False,
    }
    return machine.Device(**(facts | changes))


def test_the_device_that_will_be_used_is_named() -> None:
    assert "takes the CPU; torch sees no GPU" in only(machine.device_findings(device())).what
    used = only(machine.device_findings(device(chosen="cuda", gpu=GPU, driver=True)))
    assert (used.level, "H200, 149 GB of 150 GB free" in used.what) == ("ok", True)


def test_a_gpu_that_lies_idle_is_taken_or_is_not_seen_is_noted() -> None:
    assert levels(machine.device_findings(device(setting="cpu", gpu=GPU, driver=True))) == ["ok", "note"]
    busy = machine.Gpu("H200", 150 * 10**9, 10**9)
    assert levels(machine.device_findings(device(chosen="cuda", gpu=busy, driver=True))) == ["ok", "note"]
    assert levels(machine.device_findings(device(driver=True))) == ["ok", "note"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_asked_for_and_not_there_is_a_problem() -> None:
    found = machine.look_device(Runtime("cuda", None, 2, 60.0, recompute=False, caching="eager"))
    assert levels(machine.device_findings(found))[0] == "problem"
    assert (
        machine.look_device(Runtime("auto", None, 2, 60.0, recompute=False, caching="eager")).chosen == "cpu"
    )


def test_a_gpu_is_asked_for_its_memory_and_a_broken_one_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Runtime("auto", None, 2, 60.0, recompute=False, caching="eager")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "H200")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (GPU.free, GPU.memory))
    found = machine.look_device(settings)
    assert (found.chosen, found.gpu) == ("cuda", GPU)

    def fail(number: int) -> None:
        raise RuntimeError("CUDA error: all CUDA-capable devices are busy\nor unavailable")

    monkeypatch.setattr(torch.cuda, "mem_get_info", fail)
    finding = next(machine.device_findings(machine.look_device(settings)))
    assert (finding.level, "are busy or unavailable" in finding.what) == ("problem", True)


def cores(**changes: Any) -> machine.Cores:
    facts = {"threads": 4, "machine": 8, "allowed": 4, "quota": None, "load": 4.0, "passive": False}
    return machine.Cores(**(facts | changes))


def test_threads_that_fit_their_cores_are_fine() -> None:
    assert "torch uses 4 on 4 cores, load 4.0" in only(machine.core_findings(cores())).what
    assert levels(machine.core_findings(cores(load=None))) == ["ok"]


@pytest.mark.parametrize(("limit", "usable"), [({"allowed": 2}, 2), ({"quota": 1.5}, 2), ({"quota": 0.5}, 1)])
def test_more_threads_than_cores_are_noted_with_how_many_fit(limit: dict[str, Any], usable: int) -> None:
    finding = only(machine.core_findings(cores(**limit)))
    assert (finding.level, finding.fix) == ("note", f"runtime.threads: {usable}")


def test_a_crowded_machine_is_noted_with_the_setting_that_stops_the_spinning() -> None:
    spinning = only(machine.core_findings(cores(load=12.5)))
    assert spinning.level == "note"
    assert "OMP_WAIT_POLICY=PASSIVE" in spinning.fix
    assert "OMP_WAIT_POLICY" not in only(machine.core_findings(cores(load=12.5, passive=True))).fix


@pytest.mark.parametrize(
    ("fp32", "precision", "level", "fix"),
    [
        (2.0, "fp32", "note", "distill.recipe.precision: bf16"),
        (1.1, "fp32", "ok", ""),
        (0.5, "fp32", "ok", ""),
        (0.5, "bf16", "note", "distill.recipe.precision: fp32"),
        (2.0, "bf16", "ok", ""),
    ],
)
def test_a_much_faster_precision_is_noted(fp32: float, precision: str, level: str, fix: str) -> None:
    finding = only(
        step_time.findings(step_time.Steps("cpu", 1, fp32=fp32, bf16=1.0, one_thread=None), precision)
    )
    assert finding.level == level
    assert finding.fix.startswith(fix)
    assert f"{1 / fp32:.2f} times as long" in finding.what


def test_threads_that_slow_the_student_down_are_noted() -> None:
    slow = [*step_time.findings(step_time.Steps("cpu", 4, fp32=3.0, bf16=3.0, one_thread=2.0), "fp32")]
    assert (slow[1].level, slow[1].fix.split(";")[0]) == ("note", "runtime.threads: 1")
    assert "4 threads take 1.50 times as long as one" in slow[1].what
    assert levels(
        step_time.findings(step_time.Steps("cpu", 4, fp32=2.0, bf16=2.0, one_thread=2.0), "fp32")
    ) == ["ok"]


@pytest.mark.parametrize("threads", [1, 2])
def test_both_precisions_and_one_thread_are_measured_alike(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves: list[bool] = []
    autocast = torch.autocast

    def recording(device: str, kind: torch.dtype, *, enabled: bool) -> torch.autocast:
        halves.append(enabled)
        return autocast(device, kind, enabled=enabled)

    monkeypatch.setattr(torch, "autocast", recording)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        steps = step_time.look("test_efficientnet.r160_in1k", 64, "cpu")
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert min(steps.fp32, steps.bf16) > 0
    assert (steps.one_thread is None) == (threads == 1)
    assert halves.count(False) == threads * halves.count(True) > 1


def test_the_smallest_limit_of_all_levels_of_cgroups_counts(tmp_path: Path) -> None:
    mount, membership = tmp_path / "cgroup", tmp_path / "membership"
    (mount / "a/b").mkdir(parents=True)
    membership.write_text("0::/a/b\n")
    assert machine._quota(mount, membership) is None
    (mount / "a/b/cpu.max").write_text("max 100000\n")
    (mount / "a/cpu.max").write_text("150000 100000\n")
    (mount / "cpu.max").write_text("300000 100000\n")
    assert machine._quota(mount, membership) == 1.5
    assert machine._quota(tmp_path / "none", tmp_path / "none") is None


def test_the_limit_of_older_cgroups_counts_too(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    for quota, expected in (("-1", None), ("200000", 2.0)):
        (tmp_path / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
        (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
        assert machine._quota(tmp_path, tmp_path / "none") == expected


def test_what_this_process_may_use_is_read_from_the_system() -> None:
    found = machine.look_cores({"OMP_WAIT_POLICY": "passive"})
    assert found.threads == torch.get_num_threads()
    assert found.passive
    assert 1 <= found.usable <= found.machine


# DVC


def cache(configured: str, working: str, writable: bool = True) -> dvc_cache.Cache:
    return dvc_cache.Cache(Path("/c"), writable, tuple(configured.split()), tuple(working.split()))


def test_a_cache_that_shares_its_files_is_fine_and_one_that_copies_is_noted() -> None:
    shared = only(dvc_cache.findings(cache("reflink hardlink copy", "hardlink symlink copy")))
    assert (shared.level, "(hardlink)" in shared.what) == ("ok", True)
    copied = only(dvc_cache.findings(cache("reflink copy", "hardlink symlink copy")))
    assert (copied.level, "dvc config --local cache.type reflink,hardlink,copy" in copied.fix) == (
        "note",
        True,
    )
    apart = only(dvc_cache.findings(cache("reflink hardlink copy", "symlink copy")))
    assert apart.level == "note"
    assert "dvc cache dir" in apart.fix
    assert "symlink,copy" in apart.fix


def test_a_cache_that_cannot_be_written_is_a_problem() -> None:
    assert levels(dvc_cache.findings(cache("reflink copy", "", writable=False))) == ["problem"]


def test_links_are_tried_and_nothing_is_left_nor_made(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    before = sorted(tmp_path.rglob("*"))
    found = dvc_cache.look(tmp_path, {})
    assert set(found.working) >= {"hardlink", "symlink", "copy"}
    assert (found.folder, found.configured) == (tmp_path / ".dvc/cache", ("reflink", "copy"))
    assert sorted(tmp_path.rglob("*")) == before


def lock(tmp_path: Path, text: str | None, hardlink: bool = False) -> list[Finding]:
    if text is not None:
        (tmp_path / "rwlock").write_text(text)
    return list(dvc_lock.findings(dvc_lock.look(tmp_path, hardlink)))


def test_a_lock_without_holders_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(" 17\n")
    assert lock(tmp_path, None) == []
    assert lock(tmp_path, "{}") == []


def test_who_holds_the_lock_is_told_and_who_has_died_is_noted(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    text = (
        f'{{"write": {{"/r/a": {{"pid": {os.getpid()}, "cmd": "dvc repro"}}}},'
        f' "read": {{"/r/b": [{{"pid": {ended.pid}, "cmd": "dvc push"}}]}}}}'
    )
    alive, dead = lock(tmp_path, text)
    assert (alive.level, f"dvc repro (process {os.getpid()})" in alive.what) == ("ok", True)
    assert (dead.level, f"dvc push (process {ended.pid})" in dead.what) == ("note", True)
    assert dead.fix.startswith(f"rm {tmp_path / 'rwlock'}")


@pytest.mark.parametrize("text", ["", '{"write": {"/r', '{"write": []}', "[]"])
def test_a_damaged_lock_is_a_problem(tmp_path: Path, text: str) -> None:
    assert levels(lock(tmp_path, text)) == ["problem"]


def test_a_lock_by_hard_links_that_nobody_holds_is_noted(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("claim")
    finding = only(iter(lock(tmp_path, None, hardlink=True)))
    assert (finding.level, finding.fix.startswith(f"rm {tmp_path / 'lock'}")) == ("note", True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A DVC repository without git."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    return tmp_path


def set_remote(root: Path, url: str) -> None:
    (root / ".dvc/config.local").write_text(
        f"[core]\n    remote = team\n['remote \"team\"']\n    url = {url}\n"
    )


def reached(root: Path) -> list[Finding]:
    """What is found about the remote, in this process."""
    answers = dvc_side.look(root)
    assert next(answers) is None
    next(answers)
    remote, found = next(answers), next(answers)
    assert remote is None or isinstance(remote, dvc_remote.Remote)
    assert found is None or isinstance(found, dvc_remote.State)
    return list(dvc_remote.findings(remote, found))


def test_without_a_default_remote_that_is_noted(repository: Path) -> None:
    assert "no default remote" in only(iter(reached(repository))).what


def test_a_folder_as_remote_has_to_be_there(repository: Path) -> None:
    set_remote(repository, "../shared place")
    missing = only(iter(reached(repository)))
    folder = repository / "shared place"
    assert (missing.level, str(folder) in missing.what) == ("problem", True)
    assert f"mkdir -p '{folder}'" in missing.fix
    folder.mkdir()
    assert levels(reached(repository)) == ["ok"]


def test_a_remote_that_cannot_be_written_is_a_problem() -> None:
    remote = dvc_remote.Remote("team", "/mnt/team", "local")
    assert levels(dvc_remote.findings(remote, dvc_remote.State(there=True, writable=False))) == ["problem"]


def test_a_remote_over_http_is_noted_and_its_password_is_not_shown() -> None:
    remote = dvc_remote.Remote("team", "https://me:secret@host/dvc", "https")
    findings = list(dvc_remote.findings(remote, dvc_remote.State(there=False, writable=True)))
    assert levels(findings) == ["ok", "note"]
    assert "nothing has been pushed yet" in findings[0].what
    assert "run-cache" in findings[1].what
    assert "secret" not in "".join(map(str, findings))


def asked_remote(root: Path, seconds: float) -> Finding:
    with Question(dvc_side.look, root) as question:
        question.answer(GUARD)
        remote = question.answer(GUARD)
        with pytest.raises(ErktError) as error:
            question.answer(seconds)
        return dvc_remote.unusable(remote, str(error.value))


def test_a_remote_that_refuses_or_stays_silent_is_a_problem(repository: Path) -> None:
    set_remote(repository, f"{closed_port()}/dvc")
    assert "cannot be used: " in asked_remote(repository, GUARD).what
    with silent_server() as address:
        set_remote(repository, f"{address}/dvc")
        finding = asked_remote(repository, 0.5)
    assert (finding.level, "no answer within 0.5 s" in finding.what) == ("problem", True)


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_what_a_web_server_answers_decides(repository: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for status, there in ((200, True), (404, False), (403, True)):
            set_remote(repository, f"http://127.0.0.1:{server.server_port}/{status}")
            first = reached(repository)[0]
            assert (first.level, "nothing has been pushed" not in first.what) == ("ok", there)
        set_remote(repository, f"http://127.0.0.1:{server.server_port}/401")
        with pytest.raises(ErktError, match="it answers 401"):
            reached(repository)
        server.shutdown()


@pytest.mark.slow
def test_a_bucket_has_to_be_there_but_may_be_empty(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="team")
        set_remote(repository, f"s3://team/dvc\n    endpointurl = {endpoint}")
        assert "nothing has been pushed yet" in only(iter(reached(repository))).what
        set_remote(repository, f"s3://gone/dvc\n    endpointurl = {endpoint}")
        with pytest.raises(FileNotFoundError):
            reached(repository)
    finally:
        server.stop()


def test_a_default_remote_that_is_not_configured_is_refused_by_name(repository: Path) -> None:
    (repository / ".dvc/config.local").write_text("[core]\n    remote = gone\n")
    with Question(dvc_side.look, repository) as question:
        question.answer(GUARD)
        with pytest.raises(ErktError, match="remote 'gone' doesn't exist"):
            question.answer(GUARD)


def test_a_folder_that_git_does_not_hold_is_a_problem(repository: Path) -> None:
    found: list[bool] = []
    for setting in ("true", "false"):
        (repository / ".dvc/config").write_text(f"[core]\n    no_scm = {setting}\n")
        answers = dvc_side.look(repository)
        next(answers)
        facts = next(answers)
        assert isinstance(facts, dvc_side.Repository)
        found.append("git" in next(dvc_side.findings(facts)).fix)
    assert found == [False, True]


# Questions


def test_a_question_whose_process_dies_is_answered_by_that() -> None:
    with Question(questioned.dies) as question, pytest.raises(ErktError, match="ended without an answer"):
        question.answer(GUARD)


def test_a_failure_is_told_in_one_line_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with Question(questioned.fails) as question:
        assert question.answer(GUARD) == "first"
        with pytest.raises(ErktError, match=r"^ValueError: two lines of //\*\*\*@host$"):
            question.answer(GUARD)
    assert capfd.readouterr() == ("", "")


# MLflow


def stored(uri: str) -> str:
    answers = tracker.look(uri, "erkt")
    assert next(answers) is None
    return next(answers) or ""


def test_a_database_that_is_not_there_will_be_made_and_is_not_made_now(tmp_path: Path) -> None:
    assert stored(f"sqlite:///{tmp_path}/new/mlflow.db") == "will be made"
    assert list(tmp_path.iterdir()) == []


def test_a_database_can_be_written_and_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE t (a)")
    before = file.read_bytes()
    assert stored(f"sqlite:///{file}") == "can be written"
    assert (file.read_bytes(), list(tmp_path.iterdir())) == (before, [file])


def test_a_database_that_another_holds_or_that_is_none_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, "BUSY_SECONDS", 0.05)
    file = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("BEGIN IMMEDIATE")  # others may read, but not write
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            stored(f"sqlite:///{file}")
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        stored(f"sqlite:///{file}")


@pytest.mark.parametrize("uri", ["./mlruns", "file:///mlruns", "postgresql://host/db"])
def test_an_address_that_stages_do_not_take_is_refused(uri: str) -> None:
    with pytest.raises(ErktError, match="stages take sqlite"):
        stored(uri)


def test_a_server_that_refuses_or_stays_silent_is_a_problem() -> None:
    with Question(tracker.look, closed_port(), "erkt") as question, pytest.raises(ErktError) as refused:
        question.answer(GUARD)
    assert "refused" in tracker.silent("http://host", str(refused.value)).what
    with (
        silent_server() as address,
        Question(tracker.look, address, "erkt") as question,
        pytest.raises(ErktError, match="no answer within"),
    ):
        question.answer(0.5)


def test_the_password_of_a_server_is_not_shown() -> None:
    for finding in (
        tracker.silent("http://me:secret@host", "away"),
        tracker.findings("http://me:secret@host", ""),
    ):
        assert "secret" not in str(finding)
        assert "host" in str(finding)


# Inputs


def place(location: str, folder: bool | None = False, made: bool = False) -> inputs.Location:
    return inputs.Location("dataset.location", location, folder, made)


def test_a_variable_that_is_not_set_is_a_problem_that_names_it(tmp_path: Path) -> None:
    finding = only(inputs.location_findings([place("$SCENES")], tmp_path, {}))
    assert (finding.level, "SCENES is not set" in finding.what) == ("problem", True)
    assert finding.fix == "set SCENES to where it lies"


def test_a_place_has_to_be_there_and_of_its_kind(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("zip")
    environment = {"HERE": str(tmp_path)}

    def level(location: str, folder: bool | None) -> str:
        return only(inputs.location_findings([place(location, folder)], tmp_path, environment)).level

    assert level("$HERE/a.zip", False) == level("a.zip", None) == level("$HERE", True) == "ok"
    assert level("$HERE/b.zip", False) == level("a.zip", True) == level("$HERE", False) == "problem"
    assert level("https://host/a.zip", False) == "ok"


def test_what_is_made_already_does_not_need_its_source(tmp_path: Path) -> None:
    assert levels(inputs.location_findings([place("$SCENES", made=True)], tmp_path, {})) == ["note"]


def test_all_places_of_a_protocol_are_known() -> None:
    params: dict[str, Any] = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text(encoding="utf-8"))
    weights = {"source": "file", "location": "$W/a.safetensors", "revision": None, "sha256": None}
    params["teachers"]["two"]["network"]["weights"] = params["student"]["weights"] = weights
    params["dataset"] |= {"source": "folder", "location": "$SCENES", "scenes": None}
    found = inputs.locations(
        check(params, "tiny"), {"dataset": True, "two": False, "student": True}.__getitem__
    )
    assert found == [
        inputs.Location("dataset.location", "$SCENES", True, True),
        inputs.Location("teachers.two.network.weights.location", "$W/a.safetensors", False, False),
        inputs.Location("student.weights.location", "$W/a.safetensors", False, True),
    ]


def test_a_benchmark_that_no_program_can_fetch_needs_a_place() -> None:
    unfetched = protocol(name="afgr50", source="benchmark", scenes=None)
    assert levels(inputs.benchmark_findings(unfetched, made=False)) == ["problem"]
    assert levels(inputs.benchmark_findings(unfetched, made=True)) == []
    fetched = protocol(name="aid30", source="benchmark", scenes=None)
    assert levels(inputs.benchmark_findings(fetched, made=False)) == []


def test_what_no_stage_makes_has_to_be_here() -> None:
    cells = [
        inputs.Cell("a", ("code.py",), ("data/x", "metrics/a/0.json")),
        inputs.Cell("b", ("data/x/part", "metrics/a", "code.py", "gone.py"), ()),
    ]
    finding = only(inputs.prerequisites(cells, {"code.py"}.__contains__))
    assert (finding.level, "gone.py is needed by b," in finding.what) == ("problem", True)
    assert levels(inputs.prerequisites(cells, lambda path: path.endswith(".py"))) == ["ok"]


# Space


def test_the_size_of_a_network_is_that_of_its_real_tensors_and_of_adamw() -> None:
    import timm

    model = timm.create_model("test_efficientnet", pretrained=False, num_classes=45)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.rand(2, 3, 64, 64)).sum().backward()
    optimizer.step()
    moments = [moment for entry in optimizer.state.values() for moment in entry.values() if moment.dim()]
    weights = sum(tensor.nbytes for tensor in model.state_dict().values())
    found = space.network_of("test_efficientnet", 45)
    assert found.weights == weights
    assert found.checkpoint == weights + sum(moment.nbytes for moment in moments)


def test_an_architecture_that_timm_has_not_is_refused() -> None:
    with pytest.raises(ErktError, match="timm has no architecture 'resnet5000'"):
        space.network_of("resnet5000", 10)


def test_what_is_known_of_the_images_comes_from_the_array_the_benchmark_or_the_scenes(tmp_path: Path) -> None:
    nwpu, file = protocol("presets/nwpu45-tr10.yaml"), tmp_path / "manifest.json"
    assert space.expected(nwpu) == space.Data(31500, 45, None)
    assert space.expected(protocol()) == space.Data(70, 14, 70 * 3 * 32 * 32)
    assert space.expected(protocol(name="mine", source="folder", location="x", scenes=None)) is None
    assert space.prepared(nwpu, file) is None
    write_json(file, {"shape": [900, 3, 256, 256], "classes": ["a", "b"]})
    assert space.prepared(nwpu, file) == space.Data(900, 2, None)
    write_json(file, {"shape": [900, 3, 64, 64], "classes": ["a", "b"]})
    assert space.prepared(nwpu, file) is None
    file.write_text("{")
    assert space.prepared(nwpu, file) is None


def test_the_need_of_a_preset_is_its_closed_form() -> None:
    nwpu = protocol("presets/nwpu45-tr10.yaml")
    networks = {name: space.Network(4_000, 40) for name in (*nwpu.teachers, "student")}
    listed = space.needs(nwpu, space.Data(31500, 45, None), networks, {})
    total = {
        kind: sum(need.bytes for need in listed if need.kind == kind)
        for kind in ("images", "networks", "logits")
    }
    # 3 seeds, 3 teachers, 6 blocks of 100 views; 10 % of the images train, none of them are set aside.
    assert total == {
        "images": 31500 * 3 * 256 * 256,
        "networks": 3 * 4 * 4_040,
        "logits": 3 * 3 * 600 * 3150 * 45 * 2,
    }
    assert not any(need.made for need in listed)
    assert space.checkpoints(nwpu, space.Data(31500, 45, None), networks) == 2 * 100 * 3150 * 45 * 2
    large = networks | {"student": space.Network(10**9, 0)}
    assert space.checkpoints(nwpu, space.Data(31500, 45, None), large) == 6 * 10**9


def test_what_is_here_is_not_needed_again_and_validation_is_not_cached() -> None:
    tiny = protocol()
    networks = {name: space.Network(400, 0) for name in ("one", "two", "student")}
    made = {"images": 1, "one": 1, "logits": 1}
    listed = space.needs(tiny, space.Data(100, 10, 50), networks, made)
    block = round(60 * 0.67 * 10 * 2)
    assert {(need.kind, need.bytes) for need in listed if need.made} == {
        *(("images", 100 * 3 * 32 * 32), ("networks", 400), ("logits", block))
    }
    assert sorted((need.kind, need.bytes) for need in listed if not need.made) == [
        *(("archive", 50), ("logits", block), ("networks", 400), ("networks", 400))
    ]


ONE = space.Place("workspace", Path("/w"), 1, 1000)


def needed(link: str, places: list[space.Place], to_make: int = 600) -> list[str]:
    listed = [space.Need("images", to_make, made=False), space.Need("logits", 10**6, made=True)]
    return levels(space.findings(listed, 300, link, places))


def test_too_little_space_is_a_problem_and_copies_in_the_cache_count_twice() -> None:
    together = [
        ONE,
        space.Place("DVC cache", Path("/c"), 1, 1000),
        space.Place("in-flight", Path("/i"), 1, 1000),
    ]
    assert needed("hardlink", together) == ["ok", "ok"]
    assert needed("copy", together) == ["ok", "problem"]
    assert needed("hardlink", together, to_make=701) == ["ok", "problem"]
    assert needed("hardlink", together, to_make=700) == ["ok", "ok"]


def test_each_file_system_has_its_own_need() -> None:
    apart = [ONE, space.Place("DVC cache", Path("/c"), 2, 599), space.Place("in-flight", Path("/i"), 3, 299)]
    assert needed("copy", apart) == ["ok", "ok", "problem", "problem"]
    assert needed("symlink", [ONE, space.Place("DVC cache", Path("/c"), 2, 600)], 600) == ["ok", "ok", "ok"]
    finding = list(space.findings([space.Need("images", 5000, made=False)], 0, "hardlink", [ONE]))[1]
    assert "free 4.0 kB in the file system of /w" in finding.fix


def test_an_unknown_need_is_noted_with_what_is_free() -> None:
    finding = only(space.unknown("mine", [ONE, space.Place("DVC cache", Path("/c"), 2, 599)]))
    assert finding.level == "note"
    assert "1.0 kB at workspace; 599 B at DVC cache" in finding.what


def looked(**folders: Path) -> list[space.Place]:
    answers = space.look(folders)
    assert next(answers) is None
    return next(answers) or []


def test_a_folder_that_is_not_there_yet_counts_where_it_will_be(tmp_path: Path) -> None:
    here, later = looked(workspace=tmp_path, store=tmp_path / "not/yet")
    assert here.system == later.system == tmp_path.stat().st_dev
    assert here.free > 0
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "erkt", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_real_disk_that_is_too_small_is_a_problem(small_disk: Path, tmp_path: Path) -> None:
    places = looked(workspace=small_disk / "repository", cache=tmp_path)
    assert places[0].system != places[1].system
    listed = [space.Need("images", 2 * 2**20, made=False)]
    assert levels(space.findings(listed, 0, "hardlink", places[:1])) == ["ok", "problem"]
    assert levels(space.findings(listed[:0], 2**19, "hardlink", places[:1])) == ["ok", "ok"]


def test_a_cache_on_another_disk_has_neither_hard_links_nor_what_a_probe_left(
    small_disk: Path, tmp_path: Path
) -> None:
    found = dvc_cache.look(tmp_path, {"dir": str(small_disk / "cache"), "type": ["hardlink", "copy"]})
    assert found.working == ("symlink", "copy")
    assert found.link == "copy"
    assert list(small_disk.iterdir()) == []


# State


def kept(
    days: float,
    finished: bool = False,
    running: bool = False,
    present: bool | None = False,
    recorded: bool = False,
) -> state.Kept:
    found = Found(Path("/store/distill@0-ab 12"), "distill@0", finished, 5_000_000, days * DAY)
    return state.Kept(found, running, present, recorded)


@pytest.mark.parametrize(
    ("one", "stale"),
    [
        (kept(8), True),
        (kept(6), False),
        (kept(8, present=True), False),
        (kept(8, present=None), False),
        (kept(8, running=True), False),
        (kept(8, finished=True), True),
        (kept(8, finished=True, recorded=True), False),
        (kept(8, finished=True, running=True), False),
        (kept(6, finished=True), False),
    ],
)
def test_a_state_is_stale_if_nobody_has_wanted_it_for_a_week(one: state.Kept, stale: bool) -> None:
    finding = only(state.state_findings(Path("/store"), [one]))
    assert (finding.level == "note") == stale == one.stale
    assert (finding.fix == "rm -r '/store/distill@0-ab 12'") == stale
    assert "distill@0" in finding.what
    assert "5.0 MB" in finding.what


def test_states_that_are_fine_share_a_line_a_kind() -> None:
    states = [kept(1, present=True)] * 5 + [kept(1, running=True), kept(1, finished=True)]
    lines = [finding.what for finding in state.state_findings(Path("/store"), states)]
    assert len(lines) == 3
    assert any("5 unfinished" in line and "and 2 more, 25.0 MB" in line for line in lines)
    assert "nothing in /store" in only(state.state_findings(Path("/store"), [])).what


HOLD = (
    "import sys\nfrom pathlib import Path\nfrom erkt.inflight.states import alone\n"
    "with alone(Path(sys.argv[1]), lambda: None, lambda: False):\n"
    "    print('in', flush=True)\n    sys.stdin.read()\n"
)


def test_a_state_is_in_use_while_a_process_holds_it_and_no_lock_is_made(tmp_path: Path) -> None:
    def in_use() -> list[bool]:
        answers = state.look(tmp_path, [])
        next(answers)
        return [running for _, running in (next(answers) or ([], []))[0]]

    one = State(tmp_path, "train@0-a", "0123456789abcdef" * 4)
    one.folder.mkdir(parents=True)
    assert in_use() == [False]
    assert not one.lock.exists()
    command = [sys.executable, "-c", HOLD, str(one.lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        assert in_use() == [True]
        other.communicate(timeout=GUARD)
    assert in_use() == [False]


def test_temporary_files_are_found_and_noted_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data/x/.part-12-folder").mkdir(parents=True)
    (tmp_path / "data/x/.part-12-folder/a").write_bytes(bytes(3000))
    (tmp_path / "data/x/.part-34-b.json").write_text("b")
    (tmp_path / "data/x/c.json").write_text("c")

    def notes(later: float) -> list[Finding]:
        now = time.time()
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda: now + later)
            answers = state.look(tmp_path / "none", [tmp_path / "data", tmp_path / "gone"])
            next(answers)
            return list(state.left_findings((next(answers) or ([], []))[1]))

    assert notes(0.9 * DAY) == []
    assert [finding.fix for finding in notes(1.1 * DAY)] == [
        f"rm -r {tmp_path}/data/x/.part-12-folder",
        f"rm -r {tmp_path}/data/x/.part-34-b.json",
    ]


# The command


def all_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)


def test_a_fresh_clone_has_no_problem_and_is_left_as_it_was(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    before = all_files(tmp_path)
    done = clone.python("-m", "erkt", "doctor")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("problem ")] == []
    assert (done.returncode, done.stderr) == (0, "")
    starts = (
        "params: params.yaml is valid",
        "versions: Python",
        "device: ",
        "pipeline: ",
        "MLflow: not used",
    )
    for start in (*starts, "in-flight: nothing in", "space: the protocol takes"):
        assert any(line.startswith(f"ok       {start}") for line in lines), start
    assert any(line.startswith("note     DVC: no default remote") for line in lines)
    assert lines[-1].startswith("problems: 0, notes: ")
    assert all_files(tmp_path) == before


def test_what_is_broken_in_a_clone_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = Clone(tmp_path)
    weights = {"source": "file", "location": "$WEIGHTS/a.safetensors", "revision": None, "sha256": None}
    clone.params["student"]["weights"] = weights
    clone.params["tracking"]["enabled"] = True
    clone.params["teachers"]["one"]["network"]["arch"] = "resnet5000"
    clone.write_params()
    set_remote(tmp_path, "../nowhere")
    (tmp_path / "erkt/seeds.py").unlink()
    for name, finished in (("distill@0", False), ("train_teacher@0-gone", False), ("distill@7", True)):
        folder = State(tmp_path / ".inflight", name, "f" * 64).folder
        folder.mkdir(parents=True)
        (folder / (FINISHED if finished else "checkpoint.safetensors")).write_text("{}")
    monkeypatch.chdir(tmp_path)
    address = closed_port()
    lines = [str(finding) for finding in Checkup(tmp_path, {"MLFLOW_TRACKING_URI": address}).findings()]
    for expected in (
        "problem  pipeline: erkt/seeds.py is needed by download, ",
        "problem  student.weights.location: $WEIGHTS/a.safetensors: the environment variable WEIGHTS is not set",
        "problem  DVC: the remote team ",
        f"problem  MLflow: {address} cannot be used: ",
        "problem  networks: timm has no architecture 'resnet5000'",
        "ok       in-flight: 1 unfinished, and dvc repro goes on from them: distill@0 ",
        "ok       in-flight: 1 unfinished, of other params or code: train_teacher@0-gone ",
        "ok       in-flight: 1 finished, and dvc repro takes the result: distill@7 ",
    ):
        assert any(line.startswith(expected) for line in lines), expected


def test_params_that_are_wrong_and_a_missing_pipeline_are_problems_not_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = Clone(tmp_path)
    (tmp_path / "dvc.yaml").unlink()
    (tmp_path / "pyproject.toml").unlink()
    (tmp_path / ".dvc/config").write_text("[core\n")
    monkeypatch.chdir(tmp_path)
    found = {finding.what.split(":")[0]: finding.level for finding in Checkup(tmp_path, {}).findings()}
    assert found["pipeline"] == found["versions"] == found["DVC"] == "problem"
    assert found["space"] == "ok"
    clone.params["seeds"] = []
    clone.write_params()
    lines = [finding for finding in Checkup(tmp_path, {}).findings() if finding.what.startswith("params")]
    assert (only(iter(lines)).level, "seeds" in lines[0].what) == ("problem", True)


def test_a_result_that_dvc_lock_holds_counts_as_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = Clone(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "curve.csv").write_text("epoch,loss\n")
    kept = State(tmp_path / ".inflight", "distill@0", "f" * 64)
    kept.finish(tmp_path, [Path("curve.csv")], "done")

    def told() -> list[str]:
        return [
            line for finding in Checkup(clone.folder, {}).findings() if "in-flight" in (line := str(finding))
        ]

    assert any("dvc repro takes the result: distill@0" in line for line in told())
    out = {"path": "curve.csv", "md5": hashlib.md5(b"epoch,loss\n", usedforsecurity=False).hexdigest()}
    lock = {"schema": "2.0", "stages": {"distill@0": {"cmd": "x", "outs": [out]}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock))
    assert any("recorded, and removed by the next stage: distill@0" in line for line in told())
