"""What a check-up's question may run into; a module of its own, so that the other process loads nothing else."""

import os
import signal
from collections.abc import Iterator


def dies() -> Iterator[None]:
    """Load, and be killed."""
    yield None
    os.kill(os.getpid(), signal.SIGKILL)


def fails() -> Iterator[str | None]:
    """Load, print, answer once, and raise."""
    yield None
    print("noise")
    os.system("echo noise >&2")
    yield "first"
    raise ValueError("two\nlines of //me:secret@host")
