"""Questions that may get no answer (a dead mount, a silent server), asked from a process of their own.

A thread that waits in a system call cannot be ended; a process can.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from erkt.errors import ErktError
from erkt.inflight import stopping
from erkt.tracking.mlflow_store import told

_START_SECONDS = 60.0  # until the process runs and has loaded what it needs, on a machine at its limit


class Question:
    """What a generator function yields, one answer after the other, each awaited for a bounded time.

    First it yields None, once it has loaded what it needs, which has a time of its own. The process starts at
    once, so that several questions run side by side, and ends with the ``with`` block. ``function`` is a
    module's; it, its arguments and its answers travel between processes.
    """

    def __init__(self, function: Callable[..., Iterator[Any]], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_answer, args=(theirs, function, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._loaded = False

    def answer(self, seconds: float) -> Any:  # noqa: ANN401  # whatever the function yields
        """Return the next answer; raise ErktError if none comes in time, or if the function failed."""
        if not self._loaded:
            self._next(_START_SECONDS)
            self._loaded = True
        return self._next(seconds)

    def _next(self, seconds: float) -> Any:  # noqa: ANN401
        if not self._connection.poll(seconds):
            raise ErktError(f"no answer within {seconds:g} s")
        try:
            fine, value = self._connection.recv()
        except (EOFError, OSError):
            raise ErktError("the process that asked has ended without an answer") from None
        if not fine:
            raise ErktError(value)
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._connection.close()


def _answer(
    connection: Connection, function: Callable[..., Iterator[Any]], arguments: tuple[object, ...]
) -> None:
    stopping.die_with_parent()
    if sys.platform != "win32":
        os.setsid()  # without a terminal nobody can ask for a password and wait
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    try:
        for value in function(*arguments):
            connection.send((True, value))
    except Exception as error:  # noqa: BLE001  # libraries of remotes raise anything; it is told, not handled
        connection.send((False, told(error)))
