"""Every finding of the check-up can be provoked, by the real thing where that is quick."""

import contextlib
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import psutil
import pytest
import questioned
import requests
import torch
import yaml
from clone import TINY, Clone
from closure import ROOT
from faulty_server import Fault, faulty_server

from erkt.errors import ErktError
from erkt.evaluation.timing import in_turns
from erkt.files.json_file import write_json
from erkt.inflight.states import FINISHED, State, alone
from erkt.params.protocol import Protocol, check
from erkt.pipeline.cells import all_cells
from erkt.pipeline.doctor import (
    cache_and_lock,
    default_remote,
    disk_space,
    hardware,
    needed_files,
    packages,
    tracking_store,
    unfinished_work,
)
from erkt.pipeline.doctor.bounded import bounded
from erkt.pipeline.doctor.checkup import check_up
from erkt.pipeline.doctor.findings import Finding, note, ok, size
from erkt.pipeline.inputs import inputs_digest
from erkt.pipeline.params_file import read_params

Patch = pytest.MonkeyPatch
DAY = 86400.0
GUARD = 60.0  # seconds after which a test that hangs ends


@pytest.fixture(autouse=True)
def direct(monkeypatch: Patch) -> None:
    """No proxy of the user's stands between a test and its servers."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: Patch) -> Path:
    """An empty DVC repository, the working folder."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def protocol(**sections: dict[str, Any]) -> Protocol:
    """The tiny protocol, its sections changed."""
    params = read_params(TINY)
    return check(params | {key: params[key] | values for key, values in sections.items()}, "params")


OWN = {"name": "mine", "source": "folder", "location": "scenes", "scenes": None}


def found(findings: Iterable[Finding | None]) -> list[Finding]:
    """The findings of a check, without the None that says that it has loaded."""
    return [finding for finding in findings if finding is not None]


def levels(findings: Iterable[Finding | None]) -> list[str]:
    return [finding.level for finding in found(findings)]


def only(findings: Iterable[Finding | None], level: str) -> str:
    """The line of the one finding there is."""
    (finding,) = found(findings)
    assert finding.level == level
    return str(finding)


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_a_line_has_its_level_sizes_in_words_and_what_to_do() -> None:
    assert str(ok(f"{size(3.44e9)}, {size(17)} free")) == "ok       3.4 GB, 17 B free"
    assert str(note("slow", "faster")) == "note     slow; fix: faster"


# A check in a process of its own


def test_a_check_whose_process_dies_is_a_problem() -> None:
    with bounded("it", "mend", questioned.dies) as question:
        line = only(question, "problem")
    assert line.endswith("it: the process that asked has ended without an answer; fix: mend")


def test_a_failure_is_told_in_one_line_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with bounded("it", "mend", questioned.fails) as question:
        first, second = question
    assert (first, second.what) == (ok("first"), "it: ValueError: two lines of //***@host")
    assert capfd.readouterr() == ("", "")


def test_a_remote_and_a_server_that_refuse_or_stay_silent_are_not_waited_for(
    repository: Path, monkeypatch: Patch
) -> None:
    def told(address: str, seconds: float) -> list[str]:
        monkeypatch.setattr("erkt.pipeline.doctor.bounded.ANSWER_SECONDS", seconds)
        set_remote(repository, f"http://{address}/dvc")
        with (
            bounded("remote", "mend", default_remote.check, repository) as remote,
            bounded("MLflow", "mend", tracking_store.check, f"http://{address}", "erkt") as server,
        ):
            return [only(question, "problem") for question in (remote, server)]

    assert all("refused" in line or "Cannot connect" in line for line in told(closed_port(), GUARD))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        lines = told(f"127.0.0.1:{silent.getsockname()[1]}", 0.5)
    assert all(": no answer within 0.5 s; fix: mend" in line for line in lines)


# Packages


def test_this_environment_is_within_the_bounds_of_pyproject() -> None:
    assert "torchvision" in only(packages.bounds(ROOT / "pyproject.toml"), "ok")


def test_packages_out_of_bounds_or_missing_are_problems(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(
        '[project]\nname = "erkt"\ndependencies = ["torch>=99", "dvc>=3"]\n'
        '[project.optional-dependencies]\ntrain = ["erkt[onnx]", "no-such-package"]\n'
    )
    old, missing = map(str, packages.bounds(file))
    assert f"torch {version('torch')}, expected torch>=99; fix: python -m pip install" in old
    assert "no-such-package is not installed" in missing
    file.write_text("[project")
    assert "git checkout" in only(packages.bounds(file), "problem")


def test_torch_and_torchvision_have_to_be_released_together(monkeypatch: Patch) -> None:
    versions = {"torch": "2.14.1+cpu", "torchvision": "0.29.2+cpu"}
    monkeypatch.setattr(packages, "version", versions.get)
    assert levels(packages.networks(protocol())) == []
    versions["torchvision"] = "0.28.1"
    assert "torchvision==0.29.*" in only(packages.networks(protocol()), "problem")


def test_networks_that_cannot_be_made_are_problems(monkeypatch: Patch) -> None:
    unknown = protocol(student={"arch": "resnet5000"})
    assert "timm has no architecture 'resnet5000'" in only(packages.networks(unknown), "problem")
    unfit = only(packages.networks(protocol(student={"arch": "vit_tiny_patch16_224"})), "problem")
    assert "student: vit_tiny_patch16_224: does not take images of 32 pixels" in unfit
    assert unfit.endswith("set options.img_size: 32, or set side: 224")
    monkeypatch.setitem(sys.modules, "timm", None)
    assert "do not load" in only(packages.networks(protocol()), "problem")


# Hardware


BROKEN = -1


@pytest.mark.parametrize(
    ("setting", "free", "expected"),
    [
        ("auto", None, "note"),
        ("cuda", None, "problem"),
        ("auto", 140, "ok"),
        ("auto", 10, "note"),
        ("cpu", 140, "note"),
        ("auto", BROKEN, "problem"),
    ],
)
def test_what_is_said_last_of_a_gpu(
    setting: str, free: int | None, expected: str, monkeypatch: Patch
) -> None:
    def memory(number: int) -> tuple[int, int]:
        if free == BROKEN:
            raise RuntimeError("CUDA error: all CUDA-capable devices are busy\nor unavailable")
        return free or 0, 150

    monkeypatch.setattr(hardware, "_DRIVER", ROOT)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: free is not None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "H200")
    monkeypatch.setattr(torch.cuda, "mem_get_info", memory)
    runtime = protocol(runtime={"device": setting}).runtime
    assert levels(hardware.device(runtime))[-1] == expected


@pytest.mark.parametrize(
    ("used", "load", "level", "fix"),
    [
        (2, 4.0, "ok", "torch uses 2 on 2 cores, load 4.0"),
        (3, 4.0, "note", "runtime.threads: 2"),
        (2, 12.5, "note", "runtime.threads: 1"),
    ],
)
def test_more_threads_than_cores_and_a_crowded_machine_are_noted(
    used: int, load: float, level: str, fix: str, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(psutil, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(torch, "get_num_threads", lambda: used)
    assert fix in only(hardware.threads(), level)


@pytest.mark.parametrize(
    ("cards", "level", "said"),
    [
        (0, "note", "processes: 2 for distill.recipe share the cores"),
        (1, "problem", "torch sees 1 GPUs; fix: distill.recipe.processes: 1"),
    ],
)
def test_more_processes_than_cards_are_a_problem_and_processes_on_a_cpu_are_noted(
    cards: int, level: str, said: str, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    recipe = {**read_params(TINY)["distill"]["recipe"], "processes": 2}
    settings = protocol(distill={"recipe": recipe}, runtime={"device": "auto", "deterministic": False})
    assert said in only(hardware.processes(settings), level)
    assert levels(hardware.processes(protocol())) == []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert cards == 0 or levels(hardware.processes(settings)) == []


@pytest.mark.parametrize(
    ("fp32", "one_thread", "precision", "fixes"),
    [
        (1.1, 1.1, "fp32", [""]),
        (2.0, 2.0, "fp32", ["distill.recipe.precision: bf16, if its OA on the validation part is no worse"]),
        (0.5, 0.5, "bf16", ["distill.recipe.precision: fp32"]),
        (2.0, 2.0, "bf16", [""]),
        (1.1, 0.5, "bf16", ["", "runtime.threads: 1"]),
    ],
)
def test_a_faster_precision_or_one_thread_is_noted(
    fp32: float, one_thread: float, precision: str, fixes: list[str], monkeypatch: Patch
) -> None:
    seconds = {"fp32": [fp32], "bf16": [1.0], "one thread": [one_thread]}
    monkeypatch.setattr(hardware, "in_turns", lambda calls, rounds: seconds)
    recipe = {**read_params(TINY)["distill"]["recipe"], "precision": precision}
    findings = hardware.student_step(protocol(distill={"recipe": recipe}))
    assert [finding.fix.partition(";")[0] for finding in findings] == fixes


def test_one_thread_is_measured_too_and_the_number_of_threads_stays(monkeypatch: Patch) -> None:
    measured: dict[str, list[float]] = {}

    def recording(calls: Any, rounds: int) -> dict[str, list[float]]:
        measured.update(in_turns(calls, 1))
        return measured

    monkeypatch.setattr(hardware, "in_turns", recording)
    before = torch.get_num_threads()
    try:
        list(hardware.student_step(protocol(runtime={"threads": 2})))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert measured.keys() == {"fp32", "bf16", "one thread"}


# DVC's cache and lock


def set_cache(root: Path, links: str, folder: Path | None = None) -> None:
    lines = ["[cache]", f"    type = {links}", *([f"    dir = {folder}"] if folder else [])]
    (root / ".dvc/config").write_text("\n".join(lines) + "\n")


def test_a_cache_that_copies_is_noted_and_probes_leave_nothing(repository: Path) -> None:
    set_cache(repository, "hardlink,copy")
    before = sorted(repository.rglob("*"))
    assert "share files (hardlink)" in only(cache_and_lock.check(repository), "ok")
    assert sorted(repository.rglob("*")) == before
    set_cache(repository, "copy")
    assert "cache.type reflink,hardlink,copy" in only(cache_and_lock.check(repository), "note")


def test_a_cache_that_cannot_be_written_is_a_problem(repository: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "is not writable" in only(cache_and_lock.check(repository), "problem")


def about_lock(root: Path, text: str) -> list[Finding]:
    """What is said about a lock with this text."""
    (root / ".dvc/tmp").mkdir(exist_ok=True)
    (root / ".dvc/tmp/rwlock").write_text(text)
    return found(cache_and_lock.check(root))[1:]  # the first is about the cache


def test_who_holds_the_lock_is_told_and_who_has_died_is_noted(repository: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    write, read = {"pid": os.getpid(), "cmd": "dvc repro"}, {"pid": ended.pid, "cmd": "dvc push"}
    findings = about_lock(repository, json.dumps({"write": {"/r/a": write}, "read": {"/r/b": [read]}}))
    dead, alive = sorted(findings, key=lambda finding: finding.level)
    assert (alive.level, f"dvc repro (process {os.getpid()})" in alive.what) == ("ok", True)
    assert (dead.level, f"dvc push (process {ended.pid})" in dead.what) == ("note", True)
    assert dead.fix.startswith("rm ")
    assert about_lock(repository, "{}") == []


@pytest.mark.parametrize("text", ['{"write": {"/r', '{"write": []}'])
def test_a_damaged_lock_is_a_problem(repository: Path, text: str) -> None:
    assert "is damaged" in only(about_lock(repository, text), "problem")


@pytest.mark.parametrize("cut", [20, 38, 75])
def test_a_record_that_was_cut_short_is_a_problem(repository: Path, cut: int) -> None:
    text = "schema: '2.0'\nstages:\n  split@0:\n    cmd: erkt stage split\n    outs:\n    - path: a\n"
    (repository / "dvc.lock").write_text(text)
    assert [one.level for one in found(cache_and_lock.check(repository))] == ["note"]
    (repository / "dvc.lock").write_text(text[:cut])
    findings = found(cache_and_lock.check(repository))[1:]
    assert "dvc.lock is damaged" in only(findings, "problem")


# DVC's remote


def set_remote(root: Path, url: str) -> None:
    (root / ".dvc/config.local").write_text(
        f"[core]\n    remote = team\n['remote \"team\"']\n    url = {url}\n"
    )


def test_no_default_remote_is_noted_and_one_without_settings_is_refused(repository: Path) -> None:
    assert "no default remote" in only(default_remote.check(repository), "note")
    (repository / ".dvc/config.local").write_text("[core]\n    remote = gone\n")
    with pytest.raises(Exception, match="remote 'gone' doesn't exist"):
        list(default_remote.check(repository))


def test_a_folder_as_remote_has_to_be_there_and_to_be_writable(repository: Path, monkeypatch: Patch) -> None:
    set_remote(repository, "../shared place")
    folder = repository / "shared place"
    assert f"mkdir -p '{folder}'" in only(default_remote.check(repository), "problem")
    folder.mkdir()
    assert str(folder) in only(default_remote.check(repository), "ok")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "is not writable" in only(default_remote.check(repository), "problem")


def test_what_a_web_server_answers_decides_and_passwords_are_not_shown(repository: Path) -> None:
    with faulty_server() as server:
        for status, there in ((200, True), (404, False), (403, True)):
            address = server.serve("/dvc", b"", Fault(status=status))
            set_remote(repository, address.replace("//", "//me:secret@"))
            line = only(default_remote.check(repository), "ok")
            assert ("nothing has been pushed" not in line, "secret" in line) == (there, False)
        for status in (401, 500):
            server.serve("/dvc", b"", *[Fault(status=status)] * 9)  # some are asked again
            with pytest.raises(Exception, match=str(status)):
                list(default_remote.check(repository))


@pytest.mark.slow
def test_a_bucket_has_to_be_there_but_may_be_empty(repository: Path, monkeypatch: Patch) -> None:
    pytest.importorskip("dvc_s3", reason="needs dvc-s3: pip install 'dvc[s3]'")
    moto = pytest.importorskip("moto.server", reason="needs moto's server: pip install 'moto[server]'")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        requests.put(f"{endpoint}/team", timeout=GUARD).raise_for_status()  # makes the bucket
        set_remote(repository, f"s3://team/dvc\n    endpointurl = {endpoint}")
        assert "nothing has been pushed yet" in only(default_remote.check(repository), "ok")
        set_remote(repository, f"s3://gone/dvc\n    endpointurl = {endpoint}")
        with pytest.raises(FileNotFoundError):
            list(default_remote.check(repository))
    finally:
        server.stop()


# MLflow


def stored(uri: str) -> str:
    return only(tracking_store.check(uri, "erkt"), "ok")


def test_a_database_can_be_made_or_written_and_is_left_as_it_is(tmp_path: Path) -> None:
    assert "will be made" in stored(f"sqlite:///{tmp_path}/new/mlflow.db")
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "mlflow.db"
    file.touch()
    assert "can be written" in stored(f"sqlite:///{file}")
    assert (file.read_bytes(), list(tmp_path.iterdir())) == (b"", [file])


def test_a_database_that_another_holds_or_that_is_none_cannot_be_used(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(tracking_store, "_BUSY_SECONDS", 0.05)
    file = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")  # others may read, but not write
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            stored(f"sqlite:///{file}")
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        stored(f"sqlite:///{file}")
    with pytest.raises(ErktError, match="stages take sqlite"):
        stored("postgresql://host/db")


# Files that are needed


def test_places_that_params_name_have_to_be_there_until_something_is_made_of_them(repository: Path) -> None:
    weights = {"source": "file", "location": "$W/a.safetensors", "revision": None, "sha256": None}
    params = read_params(TINY)
    params["dataset"] |= OWN
    params["teachers"]["two"]["network"]["weights"] = params["student"]["weights"] = weights
    named = check(params, "params")
    scenes, student, teacher = map(str, needed_files.locations(named, {}))
    assert scenes.startswith(
        f"problem  dataset.location: scenes is {repository}/scenes, and nothing is there"
    )
    assert student.endswith("the environment variable W is not set; fix: set W to where it lies")
    assert teacher.startswith("problem  teachers.two.network.weights.location: ")
    (repository / "a.safetensors").touch()
    (repository / "data/archive").mkdir(parents=True)
    line = only(needed_files.locations(named, {"W": str(repository)}), "ok")
    assert "student.weights.location, teachers.two.network.weights.location are there" in line
    for made in ("data/students/0", "data/teachers/0/two"):
        (repository / made).mkdir(parents=True)
    assert levels(needed_files.locations(named, {})) == []
    shutil.copy(ROOT / "dvc.yaml", repository / "dvc.yaml")
    (repository / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    assert len(levels(needed_files.locations(named, {}))) == 3, "they are of another protocol"


def test_a_place_that_cannot_be_looked_at_is_a_line(repository: Path) -> None:
    params, place = read_params(TINY), "/" + "x" * 300
    params["dataset"] |= OWN | {"location": place}
    line = str(next(iter(needed_files.locations(check(params, "params"), {}))))
    assert f"dataset.location: {place} cannot be looked at: " in line


def test_a_benchmark_that_no_program_can_fetch_needs_a_place(repository: Path) -> None:
    def findings(name: str) -> list[Finding]:
        dataset = {"name": name, "source": "benchmark", "scenes": None}
        return list(needed_files.locations(protocol(dataset=dataset), {}))

    assert "cannot be fetched" in only(findings("afgr50"), "problem")
    assert findings("aid30") == []


# Disk space


def test_the_size_of_a_network_is_that_of_its_real_tensors_and_of_adamw() -> None:
    import timm

    model = timm.create_model("test_efficientnet", pretrained=False, num_classes=45)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.rand(2, 3, 64, 64)).sum().backward()
    optimizer.step()
    moments = [moment for entry in optimizer.state.values() for moment in entry.values() if moment.dim()]
    weights = sum(tensor.nbytes for tensor in model.state_dict().values())
    expected = weights, weights + sum(moment.nbytes for moment in moments)
    assert disk_space.network_bytes(protocol().teachers["two"].network, 45) == expected
    own = protocol(student={"arch": "test_vit", "side": 64, "options": {"img_size": 64}}).student
    model = timm.create_model("test_vit", num_classes=45, img_size=64)
    assert disk_space.network_bytes(own, 45)[0] == sum(one.nbytes for one in model.state_dict().values())


def test_the_need_of_a_preset_is_its_closed_form(repository: Path, monkeypatch: Patch) -> None:
    sizes = {"file": 4_000, "checkpoint": 12_000}
    monkeypatch.setattr(disk_space, "network_bytes", lambda network, classes: tuple(sizes.values()))
    nwpu = check(read_params(ROOT / "presets/nwpu45-tr10.yaml"), "nwpu")
    need = disk_space.needed(nwpu)
    # 3 seeds, 3 teachers, 6 blocks of 100 views; 10 % of the images train, none of them are set aside.
    images, networks, logits = 31500 * 3 * 256 * 256, 3 * 4 * 4_000, 3 * 3 * 600 * 3150 * 45 * 2
    assert need.kinds == {"images": images, "networks": networks, "logits": logits}
    assert need.to_make == images + networks + logits
    assert need.in_flight == 2 * 100 * 3150 * 45 * 2
    sizes["checkpoint"] = 10**9
    assert disk_space.needed(nwpu) == disk_space.Need(need.kinds, need.to_make, 2 * 10**9)


def test_what_is_here_is_not_needed_again(repository: Path) -> None:
    empty = disk_space.needed(protocol())
    assert empty.kinds["archive"] == 70 * 3 * 32 * 32
    facts = {"shape": [100, 3, 32, 32], "classes": ["a", "b"], "counts": {"a": 50, "b": 50}}
    write_json(repository / "data/prepared/manifest.json", facts)
    (repository / "data/teaching/0/one/0").mkdir(parents=True)
    need = disk_space.needed(protocol())
    block = round(60 * 0.67 * 2 * 2)
    assert need.kinds["images"] == 100 * 3 * 32 * 32
    assert need.kinds["logits"] == 2 * block
    assert need.to_make == need.kinds["networks"] + block
    split = {"train_percent": 60, "val_percent": 33, "group_duplicates": "none", "unlabelled_percent": 20}
    more = disk_space.needed(protocol(split=split))
    assert more.kinds["logits"] == 2 * round((60 * 0.67 + 20) * 2 * 2)
    write_json(repository / "data/prepared/manifest.json", facts | {"counts": {"a": 20, "b": 50}})
    more = disk_space.needed(protocol())
    assert more.kinds["images"] == 100 * 3 * 32 * 32
    assert more.kinds["logits"] == 2 * round((70 * 0.6 * 0.67 + 30) * 2 * 2)
    (repository / "data/prepared/manifest.json").write_text("{")
    assert disk_space.needed(protocol()).kinds == empty.kinds


def test_a_need_that_is_not_known_yet_is_noted(repository: Path) -> None:
    need = disk_space.needed(protocol(dataset=OWN))
    unlabelled = {"source": "folder", "location": "more", "sha256": None}
    assert disk_space.needed(protocol(dataset={"unlabelled": unlabelled})) is None
    assert levels(disk_space.check(repository, need, repository / "not/yet/there")) == ["note", "ok"]


@pytest.mark.parametrize(
    ("links", "free", "level"),
    [
        ("hardlink", 900, "ok"),
        ("hardlink", 899, "problem"),
        ("symlink", 900, "ok"),
        ("copy", 1500, "ok"),
        ("copy", 1499, "problem"),
    ],
)
def test_too_little_space_is_a_problem_and_copies_in_the_cache_count_twice(
    links: str, free: int, level: str, repository: Path, monkeypatch: Patch
) -> None:
    set_cache(repository, links)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    need = disk_space.Need({"images": 600, "logits": 10**6}, 600, 300)
    total, system = found(disk_space.check(repository, need, repository / ".inflight"))
    assert (total.level, system.level) == ("ok", level)
    assert "workspace, DVC cache, in-flight" in system.what


def test_each_file_system_has_its_own_need_and_no_hard_links_to_others(repository: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == repository.stat().st_dev:
        pytest.skip("there is no other file system")
    with tempfile.TemporaryDirectory(dir=memory) as other:
        set_cache(repository, "hardlink,copy", Path(other))
        assert "neither reflink nor hardlink" in only(cache_and_lock.check(repository), "note")
        assert os.listdir(other) == []
        need = disk_space.Need({"images": 10**15}, 10**15, 0)
        _, workspace, cache = found(disk_space.check(repository, need, Path(other) / "store"))
    assert "needed there: 1000.0 TB" in workspace.what
    assert ("for DVC cache, in-flight;" in cache.what, f"file system of {other}" in cache.fix) == (True, True)


# Work that is not finished


def at(days: float, monkeypatch: Patch, findings: Callable[[], Iterable[Any]]) -> list[Finding]:
    """What is found so many days from now."""
    now = time.time()
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: now + days * DAY)
        return found(findings())


@pytest.mark.parametrize("finished", [False, True])
def test_a_state_that_nobody_has_wanted_for_a_week_is_noted(
    finished: bool, tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.chdir(ROOT)
    params, store = read_params(TINY), tmp_path / "a store"
    cell = next(cell for cell in all_cells(params) if cell.name == "download")
    wanted = State(store, "download", inputs_digest(cell, params)).folder
    other = State(store, "download", "f" * 64).folder
    for folder in (wanted, other):
        folder.mkdir(parents=True)
        (folder / (FINISHED if finished else "checkpoint.safetensors")).write_text("{}")

    def lines(days: float) -> dict[bool, Finding]:
        findings = at(days, monkeypatch, lambda: unfinished_work.check(tmp_path, store, params))
        return {"dvc repro goes on from it" in finding.what: finding for finding in findings}

    assert [lines(6)[True].level, lines(6)[False].level, lines(8)[True].level] == ["ok"] * 3
    assert lines(8)[False].fix == f"rm -r '{other}'"
    assert lines(8)[False].what.startswith("in-flight: download (2 B, last written 8 days, 0:00:")


def test_a_result_that_dvc_lock_holds_counts_as_recorded(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "curve.csv").write_text("epoch,loss\n")
    State(tmp_path / "store", "distill@0", "f" * 64).finish(tmp_path, [Path("curve.csv")], "done")
    out = {"path": "curve.csv", "md5": hashlib.md5(b"epoch,loss\n", usedforsecurity=False).hexdigest()}
    lock = {"schema": "2.0", "stages": {"distill@0": {"cmd": "x", "outs": [out]}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock))
    states = at(8, monkeypatch, lambda: unfinished_work.check(tmp_path, tmp_path / "store", {}))
    assert "is in dvc.lock, and removed by the next stage" in only(states, "ok")


def test_a_state_is_at_work_while_its_lock_is_held_and_no_lock_is_made(tmp_path: Path) -> None:
    def at_work() -> bool:
        return only(unfinished_work.check(tmp_path, tmp_path, {}), "ok").endswith("is at work")

    one = State(tmp_path, "train@0-a", "0123456789abcdef" * 4)
    one.folder.mkdir(parents=True)
    assert not at_work()
    assert not one.lock.parent.exists()
    with alone(one.lock, lambda: None, lambda: False):
        assert at_work()
    assert not at_work()


def test_temporary_files_are_noted_after_a_day(tmp_path: Path, monkeypatch: Patch) -> None:
    (tmp_path / "data/x/.part-12-folder").mkdir(parents=True)
    (tmp_path / "data/x/.part-12-folder/a").write_bytes(bytes(3000))
    (tmp_path / "data/x/.part-34-b.json").write_text("b")
    (tmp_path / "data/x/c.json").write_text("c")
    experiments = tmp_path / ".dvc/tmp/exps/standalone"
    (experiments / "tmpabc/data").mkdir(parents=True)
    (experiments / "run").mkdir()

    def fixes(days: float) -> list[str]:
        findings = at(days, monkeypatch, lambda: unfinished_work.check(tmp_path, tmp_path / "none", {}))
        return [finding.fix for finding in findings[1:]]  # the first is about states

    assert fixes(0.9) == []
    left = ["data/x/.part-12-folder", "data/x/.part-34-b.json", ".dvc/tmp/exps/standalone/tmpabc"]
    assert fixes(1.1) == [f"rm -r {tmp_path}/{name}" for name in left]
    with alone(experiments / "tmpabc/.dvc/tmp/erkt/distill@0.lock", lambda: None, lambda: False):
        assert fixes(1.1) == [f"rm -r {tmp_path}/{name}" for name in left[:2]]


# All of it


def test_a_fresh_clone_has_no_problem_and_is_left_as_it_was(tmp_path: Path) -> None:
    def files() -> list[Path]:
        return sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts)

    clone = Clone(tmp_path)
    before = files()
    done = clone.python("-m", "erkt", "doctor")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("problem ")] == []
    assert (done.returncode, done.stderr) == (0, "")
    for what in ("params", "versions", "device", "pipeline", "MLflow: not used", "in-flight", "space"):
        assert any(line.startswith(f"ok       {what}") for line in lines), what
    assert any(line.startswith("note     DVC: no default remote") for line in lines)
    assert any("speed: a step of the student in bf16 takes" in line for line in lines)
    assert lines[-1].startswith("problems: 0, notes: ")
    assert files() == before


def test_what_is_broken_in_a_clone_is_found(tmp_path: Path, monkeypatch: Patch) -> None:
    clone = Clone(tmp_path)
    clone.params["dataset"] |= OWN | {"location": "$SCENES"}
    clone.params["tracking"]["enabled"] = True
    clone.params["teachers"]["one"]["network"]["arch"] = "resnet5000"
    clone.write_params()
    set_remote(tmp_path, "../nowhere")
    (tmp_path / "erkt/seeds.py").unlink()
    monkeypatch.chdir(tmp_path)
    environment = {"MLFLOW_TRACKING_URI": f"http://me:secret@{closed_port()}"}
    lines = [str(finding) for finding in check_up(tmp_path, environment)]
    for expected in (
        "problem  pipeline: erkt/seeds.py is needed by download, ",
        "problem  dataset.location: $SCENES: the environment variable SCENES is not set",
        "problem  DVC: the remote team ",
        "problem  MLflow: http://***@127.0.0.1",
        "problem  networks: teachers.one.network: timm has no architecture 'resnet5000'",
    ):
        assert any(line.startswith(expected) for line in lines), expected
    assert "secret" not in "".join(lines)


def test_params_or_a_pipeline_that_are_damaged_are_problems_not_ends(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    clone = Clone(tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: [")
    (tmp_path / ".dvc/config").write_text("[core\n")
    monkeypatch.chdir(tmp_path)
    found = [(finding.what.split(":")[0], finding.level) for finding in check_up(tmp_path, {})]
    assert {("pipeline", "problem"), ("DVC", "problem"), ("device", "ok")} <= set(found)
    clone.params["seeds"] = []
    clone.write_params()
    done = clone.python("-m", "erkt", "doctor")
    assert done.returncode == 1
    assert "problem  params: params.yaml.seeds" in done.stdout
