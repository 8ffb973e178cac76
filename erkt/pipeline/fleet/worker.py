"""What a worker does: make one cell in a clone of its own, at the head's commit.

Nothing of this project is imported here, since a worker's installation may be of another commit: the clone's
own code makes the cell (``erkt.pipeline.fleet.cell``). What is wrong is a RuntimeError with one line.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

OF_THE_HEAD = ("DVC_", "ERKT_", "GOMP_", "KMP_", "MALLOC_", "MKL_", "OMP_", "OPENBLAS_", "PYTORCH_", "TORCH_")
"""Beginnings of variables that a cell has as on the head: they decide rounding, memory and DVC's ways.

An engine sets some of them for its own workers.
"""

_NOT_FOR_CELLS = (*OF_THE_HEAD, "DASK_", "RAY_", "PYTHONPATH", "PYTHONSAFEPATH")
_RUNNING = re.compile(r"^Running stage '([^']+)'", flags=re.MULTILINE)
_LOCKS_OF_DVC = ("lock", "rwlock", "rwlock.lock")
"""What a killed DVC leaves. It asks whether that process is there: nobody may have collected it yet."""

_OUT_OF_MEMORY = "its machine may have run out of memory; give each cell more CPUs, so that fewer run"
_LITTLE_BYTES = 1_000_000
_POLL_SECONDS = 0.1
_GRACE_SECONDS = 30  # for a stage to keep what it has
_GIT_SECONDS = 600


def check(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Raise RuntimeError if cells of ``plan`` cannot be made on this machine; return its clock and kind."""
    _check_fit(plan)
    with _free_clone(_clones(plan)) as (clone, _):
        _bring_to(clone, plan)
    return {"clock": time.time(), "machine": os.uname().machine}


def make(plan: Mapping[str, Any], cell: str) -> dict[str, Any]:
    """Make one cell; return which others DVC ran for it (``others``), and the cell's sidecar (``sidecar``).

    The process that makes it ends with this one, however this one ends, and what it started with it.
    """
    _check_fit(plan)  # a machine may have come after the others were checked
    with _free_clone(_clones(plan)) as (clone, lock):
        _bring_to(clone, plan)
        log = clone.parent / plan["logs"] / f"{cell}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as printed:
            start = printed.tell()
            command = [sys.executable, "-m", "erkt.pipeline.fleet.cell", cell, plan["commit"]]
            child = subprocess.Popen(
                [*command, str(os.getpid()), *([] if plan["cache"] else ["--remote"])],
                cwd=clone,
                env=_environment(plan, clone.parent),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                pass_fds=[lock],  # the clone stays taken as long as the child lives
                process_group=0,
            )
            status = _wait(child)
        told = log.read_bytes()[start:].decode(errors="replace")
        if status != 0:
            raise RuntimeError(_full(clone) or _last_line(told) or f"ended with status {status}")
        sidecar = clone / plan["sidecars"] / f"{cell.replace('@', '-')}.json"
        return {
            "others": [name for name in _RUNNING.findall(told) if name != cell],
            "sidecar": sidecar.read_text(encoding="utf-8") if sidecar.is_file() else None,
        }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of packages that are installed here; empty for one that is not."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return found


def _check_fit(plan: Mapping[str, Any]) -> None:
    _check_versions(plan["versions"])
    for proof in plan["proofs"]:
        _check_shared(Path(proof))


def _check_versions(wanted: Mapping[str, str]) -> None:
    for package, here in versions(list(wanted)).items():
        if here != wanted[package]:
            raise RuntimeError(
                f"{package} is {here or 'not installed'} here and {wanted[package]} on the head: results "
                f"would differ; install {package}=={wanted[package]}"
            )


def _check_shared(proof: Path) -> None:
    """Raise RuntimeError if the head's file is not here too, or the lock that the head holds is not seen."""
    try:
        with proof.open("rb+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
    except FileNotFoundError:
        raise RuntimeError(
            f"{proof.parent}: not the head's folder here; cache and unfinished work have to lie on one file "
            "system at the same path on all machines (erkt fleet repro --remote does without)"
        ) from None
    except OSError as error:
        raise RuntimeError(f"{proof}: no lock can be taken there: {error.strerror}") from None
    raise RuntimeError(
        f"{proof.parent}: a lock that the head holds is not seen here; mount this file system with locks "
        "(erkt fleet repro --remote does without)"
    )


def _clones(plan: Mapping[str, Any]) -> Path:
    folder = Path(plan["clones"]).expanduser() / os.uname().nodename
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeError(f"{folder}: no clones can be made there: {error.strerror}") from None
    return folder


@contextmanager
def _free_clone(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield a clone that nobody on this machine uses, and the descriptor that keeps it taken."""
    number = 0
    while True:
        lock = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if _taken(lock) and _no_stage_in(folder / str(number)):
                yield folder / str(number), lock
                return
        finally:
            os.close(lock)
        number += 1


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _no_stage_in(clone: Path) -> bool:
    """Return whether no stage is left there: one whose dvc was killed takes a while to keep what it has."""
    for path in (clone / ".dvc/tmp/erkt").glob("*.lock"):
        with suppress(FileNotFoundError), path.open("rb+") as file:
            if not _taken(file.fileno()):
                return False
    return True


def _bring_to(clone: Path, plan: Mapping[str, Any]) -> None:
    """Have the plan's commit in the clone, which is nobody else's, as git would clone it.

    What git ignores stays, but no lock of DVC's.
    """
    try:
        _check_out(clone, plan)
    except RuntimeError:  # killed in the midst of it, for example: begin anew, once
        shutil.rmtree(clone, ignore_errors=True)
        _check_out(clone, plan)
    for lock in _LOCKS_OF_DVC:
        (clone / ".dvc/tmp" / lock).unlink(missing_ok=True)
    settings = clone / ".dvc/config.local"
    cache = plan["cache"] or str(clone.parent / "cache")
    settings.write_text(f"{plan['settings']}[cache]\n    dir = {cache}\n{plan['links']}", encoding="utf-8")


def _check_out(clone: Path, plan: Mapping[str, Any]) -> None:
    commit = plan["commit"]
    if not (clone / ".git").is_dir():
        clone.mkdir(parents=True, exist_ok=True)
        _git(clone, "init", "--quiet")
    try:
        _git(clone, "cat-file", "-e", f"{commit}^{{commit}}")
    except RuntimeError:
        refs = ("HEAD", "+refs/heads/*:refs/fleet/heads/*", "+refs/fleet/*:refs/fleet/*")
        _git(clone, "fetch", "--quiet", "--no-tags", plan["source"], *refs)
        try:
            _git(clone, "cat-file", "-e", f"{commit}^{{commit}}")
        except RuntimeError:
            raise RuntimeError(
                f"commit {commit[:10]} is not at {plan['source']}; git push it, and run the same again"
            ) from None
    _git(clone, "checkout", "--quiet", "--force", "--detach", commit)
    _git(clone, "clean", "--quiet", "--force", "-d")


def _git(clone: Path, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_DIR")}
    try:
        done = subprocess.run(
            ["git", "-C", str(clone), *arguments],
            env=environment | {"GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_GIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"git {arguments[0]}: not done in {_GIT_SECONDS} s") from None
    if done.returncode:
        told = " ".join(done.stderr.split()) or f"ended with status {done.returncode}"
        raise RuntimeError(f"git {arguments[0]}: {told}")


def _environment(plan: Mapping[str, Any], clones: Path) -> dict[str, str]:
    """Return a cell's environment: this machine's, without what the engine set, with what the head sent."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_CELLS)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', os.defpath)}"
    sent: Mapping[str, str] = plan["environment"]
    return {**own, "PATH": path, "ERKT_INFLIGHT": str(clones / "inflight"), **sent}


def _wait(child: "subprocess.Popen[bytes]") -> int:
    """Return the child's status; interrupt it where this process is interrupted, and wait for it."""
    try:
        while child.poll() is None:  # an interrupt of the engine's does not end a system call
            time.sleep(_POLL_SECONDS)
    except BaseException:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            with suppress(subprocess.TimeoutExpired):
                child.wait(_GRACE_SECONDS)
                break
        raise
    return child.returncode


def _last_line(told: str) -> str:
    """Return the line that says what went wrong: the stage's own, or the last that DVC printed."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    own = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    last = next(iter((own or lines)[-1:]), "")
    last = re.sub(r"^ERROR: (?:failed to reproduce '[^']+': )?", "", last)
    return f"{last} (if nobody did that, {_OUT_OF_MEMORY})" if last.endswith("exited with -9") else last


def _full(clone: Path) -> str:
    """Return that there is no room where the clone is; empty if there is. What a cell says is lost then."""
    return "" if shutil.disk_usage(clone).free > _LITTLE_BYTES else f"no space left on {clone}"
