"""Being asked to leave: by a signal, or because the process that started this one has ended."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP


class Stop:
    """Whether a signal has asked the process to leave at its next safe point."""

    requested = False


class Stopped(KeyboardInterrupt):
    """The process has left at a safe point, and what it had done is kept."""


@contextmanager
def listen(*, patient: bool) -> Iterator[Stop]:
    """Turn SIGINT, SIGTERM and SIGHUP into a request or an exception for the time of the block.

    With ``patient`` the first signal sets ``requested``, for work that looks at it and then leaves in good
    order; without, it raises KeyboardInterrupt. After that only SIGINT raises, for somebody at a keyboard who
    will not wait. The others come twice on their own: a scheduler sends SIGTERM to the whole group, and once
    that has ended the parent, ``die_with_parent`` sends another. Signals that the caller ignores (``nohup``
    does so with SIGHUP) stay ignored. Only for the main thread.
    """
    stop, owner = Stop(), os.getpid()

    def heard(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked worker inherits the handler, but not the work to save
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        first, stop.requested = not stop.requested, True
        at_once = not patient if first else number == signal.SIGINT
        if at_once:
            raise KeyboardInterrupt

    former = {number: signal.getsignal(number) for number in _SIGNALS}
    heeded = [number for number, handler in former.items() if handler is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, heard)
    try:
        yield stop
    finally:
        for number in heeded:
            signal.signal(number, former[number])


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send ``number`` when the process that started this one ends, however it ends.

    ``dvc repro`` killed by SIGKILL leaves its stage running, and the next one would start a second beside it.
    On Linux alone; elsewhere nothing happens, and the lock of the stage's state holds the second one back.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number))


def adopted_by_init(command: bytes) -> bool:
    """Return whether this process belongs to process 1, and that is not ``command`` (part of its words)."""
    if os.getppid() != 1:
        return False
    with suppress(OSError):
        return command not in Path("/proc/1/cmdline").read_bytes()
    return True
