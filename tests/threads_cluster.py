"""A cluster that is this process, each task a thread, so that tests of what uses clusters need no engine."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from erkt.errors import ErktError
from erkt.machine.cluster import Ended, Needs, Running


class ThreadsCluster:
    """``places`` tasks at once; ``submitted`` lists all keys in the order in which they were handed over."""

    def __init__(self, places: int) -> None:
        self._pool = ThreadPoolExecutor(places)
        self._waiting: dict[Future[Any], str] = {}
        self._running: dict[str, Running] = {}
        self.submitted: list[str] = []
        self.needs: dict[str, Needs] = {}
        self.stopped = False

    def submit(self, key: str, needs: Needs, function: Callable[..., Any], *arguments: object) -> None:
        def work() -> Any:
            self._running[key] = Running("here", time.time())
            return function(*arguments)

        self.submitted.append(key)
        self.needs[key] = needs
        self._waiting[self._pool.submit(work)] = key

    def ended(self, seconds: float) -> list[Ended]:
        done, _ = wait(self._waiting, timeout=seconds, return_when=FIRST_COMPLETED)
        return [self._end(future) for future in done]

    def running(self) -> Mapping[str, Running]:
        return {key: at for key, at in self._running.items() if key in self._waiting.values()}

    def stop(self) -> list[Ended]:
        self.stopped = True
        for future in self._waiting:
            future.cancel()
        return [self._end(future) for future in list(self._waiting)]

    def _end(self, future: Future[Any]) -> Ended:
        key = self._waiting.pop(future)
        if future.cancelled():
            return Ended(key, "", 0.0, None, "stopped")
        try:
            return Ended(key, "here", 0.0, future.result(), None)
        except (ErktError, RuntimeError) as error:
            return Ended(key, "here", 0.0, None, str(error))
