"""Checks that go wrong, in a module of their own, so that the other process loads nothing else."""

import os
import signal
from collections.abc import Iterator

from erkt.pipeline.doctor.findings import Finding, ok


def dies() -> Iterator[Finding | None]:
    """Load, and be killed."""
    yield None
    os.kill(os.getpid(), signal.SIGKILL)


def fails() -> Iterator[Finding | None]:
    """Load, print, find something, and raise."""
    yield None
    print("noise")
    os.system("echo noise >&2")
    yield ok("first")
    raise ValueError("two\nlines of //me:secret@host")
