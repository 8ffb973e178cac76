"""Functions in processes of their own, side by side, until a time: one that fails leaves the others alone."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

from erkt.errors import ErktError
from erkt.inflight.stopping import die_with_parent

Task = tuple[Callable[..., None], tuple[Any, ...]]

_LOOK = 0.2  # seconds
_MOST = 20_000  # characters of a traceback, which a pipe holds until they are read


@dataclass(frozen=True)
class Outcome:
    """How a process ended: after how many seconds, and with what error, a whole traceback; None without."""

    seconds: float
    error: str | None


def last_line(error: BaseException | str) -> str:
    """Return the last line of an error or of a traceback: what it says, after its type; ours need no type."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    line = (text.strip().splitlines() or ["no reason given"])[-1].strip()
    before, ours, said = line.partition(f"{ErktError.__name__}: ")
    return said if ours and " " not in before else line


def context(device: str) -> BaseContext:
    """Return how processes start for work on ``device`` (``cpu`` or ``cuda``).

    On a GPU each is a new interpreter: CUDA works in no process that was forked after it was first asked. On
    a CPU, where torch may use one thread alone before (its threads do not survive a fork), they are forked
    from what has imported torch already, which saves seconds each.
    """
    return multiprocessing.get_context("spawn" if device == "cuda" else "fork")


def run_beside(
    tasks: Mapping[str, Task],
    device: str,
    until: float,
    meanwhile: Callable[[dict[str, Outcome]], None] = lambda done: None,
) -> dict[str, Outcome]:
    """Run all ``tasks`` at a time, a process each; return by name how they ended, in the order of their ends.

    What still runs at ``until`` (seconds as of ``time.time``) is ended. ``meanwhile`` hears several times a
    second who has ended so far; what it raises is printed once, and leaves the processes alone.
    """
    running = {name: _Running(task, context(device)) for name, task in tasks.items()}
    done: dict[str, Outcome] = {}
    told = ""
    while len(done) < len(running):
        late = [one for one in running.values() if time.time() >= until and not one.ended]
        for one in late:
            one.end()
        for name, one in running.items():
            if name not in done and one.ended:
                done[name] = one.outcome(one in late)
        try:
            meanwhile(done)
        except Exception as error:  # noqa: BLE001
            if (line := last_line(error)) != told:
                print(f"  ! {line}", flush=True)
            told = line
        time.sleep(_LOOK)
    return done


class _Running:
    """A process at work, and the pipe through which it says how it ended."""

    def __init__(self, task: Task, start: BaseContext) -> None:
        self._started = time.time()
        self._hears, says = start.Pipe(duplex=False)
        self._process: BaseProcess = start.Process(  # type: ignore[attr-defined]  # each context has its own
            target=_guarded, args=(says, os.getcwd(), *task)
        )
        self._process.start()
        says.close()

    @property
    def ended(self) -> bool:
        return not self._process.is_alive()

    def end(self) -> None:
        """Kill it: whoever looks at the clock itself has left in good order before."""
        self._process.kill()
        self._process.join()

    def outcome(self, late: bool) -> Outcome:
        error = "it was ended: its time was over" if late else self._said()
        return Outcome(round(time.time() - self._started, 1), error)

    def _said(self) -> str | None:
        try:
            said: str | None = self._hears.recv()
        except EOFError:
            return f"it ended with status {self._process.exitcode} and said nothing"
        return said


def _guarded(says: Connection, folder: str, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.chdir(folder)  # a new interpreter begins where its parent's parent did
    die_with_parent()
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():  # it was killed while this one imported torch
        os._exit(1)
    try:
        work(*arguments)
    except BaseException:  # noqa: BLE001  # whatever it is, the parent writes it down
        says.send(traceback.format_exc()[-_MOST:])
    else:
        says.send(None)
