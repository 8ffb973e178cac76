"""Checks that may get no answer (a dead mount, a silent server), each in a process of its own.

A thread that waits in a system call cannot be ended; a process can.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from erkt.inflight import stopping
from erkt.pipeline.doctor.findings import Finding, problem
from erkt.tracking.mlflow_store import told

START_SECONDS = 60.0  # until the process runs and has loaded what it needs, on a machine at its limit
ANSWER_SECONDS = 5.0  # for each finding after that

Check = Callable[..., Iterator[Finding | None]]
"""A module's function that yields None once all it needs is loaded, and then its findings."""


@contextmanager
def bounded(what: str, fix: str, check: Check, *arguments: object) -> Iterator[Iterator[Finding]]:
    """Start ``check`` at once, for the time of the ``with`` block, and hand over what it finds as it comes.

    What it raises, or that a finding is not there in time, is a problem: ``what`` and why, with ``fix``.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, check, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield _findings(ours, what, fix)
    finally:
        process.kill()
        ours.close()


def _findings(connection: Connection, what: str, fix: str) -> Iterator[Finding]:
    limit = START_SECONDS
    while True:
        answer: Finding | str | None = f"no answer within {limit:g} s"
        try:
            if connection.poll(limit):
                answer = connection.recv()
        except (EOFError, OSError):
            answer = "the process that asked has ended without an answer"
        if isinstance(answer, str):
            if answer:
                yield problem(f"{what}: {answer}", fix)
            return
        if answer is not None:
            yield answer
        limit = ANSWER_SECONDS


def _answer(connection: Connection, check: Check, arguments: tuple[object, ...]) -> None:
    """Send what ``check`` yields, then why it failed: an empty text if it did not."""
    stopping.die_with_parent()
    if sys.platform != "win32":
        os.setsid()  # without a terminal nobody can ask for a password and wait
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    failure = ""
    try:
        for finding in check(*arguments):
            connection.send(finding)
    except Exception as error:  # noqa: BLE001  # libraries of remotes raise anything; it is told, not handled
        failure = told(error)
    connection.send(failure)
