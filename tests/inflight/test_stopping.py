"""Signals and the parent's death, on real processes."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from erkt.inflight.stopping import listen

NAMES = ["SIGINT", "SIGTERM", "SIGHUP"]


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """Take signals as a shell's foreground job does: a background job, or one under nohup, ignores some."""
    usual = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    former = {name: signal.signal(getattr(signal, name), handler) for name, handler in usual.items()}
    yield
    for name, handler in former.items():
        signal.signal(getattr(signal, name), handler)


@pytest.mark.parametrize("name", NAMES)
def test_a_patient_process_is_asked_once_and_an_impatient_one_stopped_at_once(name: str) -> None:
    former = signal.getsignal(getattr(signal, name))
    with listen(patient=True) as stop:
        assert not stop.requested
        signal.raise_signal(getattr(signal, name))
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(getattr(signal, name)) is former
    with listen(patient=False), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(getattr(signal, name))


@pytest.mark.parametrize("patient", [True, False])
def test_a_process_that_is_leaving_leaves_in_order_when_told_again(patient: bool) -> None:
    with listen(patient=patient) as stop:
        with nullcontext() if patient else pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        try:
            for again in (signal.SIGTERM, signal.SIGHUP):
                signal.raise_signal(again)
        except KeyboardInterrupt:
            pytest.fail("stopped at once")
        assert stop.requested


def test_an_ignored_signal_stays_ignored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with listen(patient=True) as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.requested
    finally:
        signal.signal(signal.SIGHUP, former)


CHILD = (
    "import signal, sys\nfrom erkt.inflight.stopping import die_with_parent\n"
    "die_with_parent()\n"
    "print('ready', flush=True)\n"
    "signal.sigwait({signal.SIGUSR1})\n"
)
PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdout=subprocess.PIPE)\n"
    "print(child.stdout.readline().decode().strip(), child.pid, flush=True)\n"
    "child.wait()\n"
)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_a_process_ends_with_the_one_that_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        word, child = parent.stdout.readline().split()
        assert word == "ready"
        handle = os.pidfd_open(int(child))
        parent.kill()
        parent.wait()
    assert select.select([handle], [], [], 60)[0], "the child lives on"
    os.close(handle)


@pytest.mark.parametrize("patient", [True, False])
def test_a_forked_worker_dies_of_the_signal(patient: bool) -> None:
    reader, writer = os.pipe()
    with listen(patient=patient) as stop:
        worker = os.fork()
        if worker == 0:
            try:
                os.write(writer, b".")
                for _ in range(1000):  # short waits: a signal between the check for one and a wait is late
                    time.sleep(0.01)
            finally:
                os._exit(1)
        os.read(reader, 1)
        os.kill(worker, signal.SIGTERM)
        assert os.waitpid(worker, 0)[1] == signal.SIGTERM
        assert not stop.requested
    os.close(reader)
    os.close(writer)
