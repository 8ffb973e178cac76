"""Ray's tasks as the engine that runs functions elsewhere (https://docs.ray.io, version 2.60).

Only Ray Core is used. Its dashboard and its reports of use are off. A cluster that is started here takes a
token that is made for it alone, since Ray's ports listen beyond this machine. On workers this module travels
by value, so that they need not have the same version of it.
"""

import importlib
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from types import ModuleType
from typing import Any

from erkt.errors import ErktError
from erkt.machine.cluster import Ended, Needs, Running

RETRIES = 3
"""How often a task that was lost with its process or machine is run again."""

_LEAVING_SECONDS = 45  # more than a worker gives what it started
_CONNECT_SECONDS = 5
_STARTS = 3  # of a cluster of this machine
_LOST_AFTER = 3  # times that the head does not answer
_CARDS = "CUDA_VISIBLE_DEVICES"
_OBJECTS_BYTES = 80_000_000  # the least that Ray takes; tasks return little
_LOCAL = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),  # one a process, since Ray reads it once
    "RAY_worker_niceness": "0",
}


class RayCluster:
    """A cluster that this process has joined."""

    def __init__(self, ray: ModuleType, head: str | None) -> None:
        self._ray, self._head = ray, head
        self._refs: dict[Any, str] = {}
        self._silent, self._asked = 0, time.monotonic()
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        actor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here)(_Board)
        self._board = actor.remote()
        self._task = ray.remote(max_retries=RETRIES, retry_exceptions=False, scheduling_strategy="SPREAD")(
            _work
        )

    def submit(self, key: str, needs: Needs, function: Callable[..., Any], *arguments: object) -> None:
        """Have ``function(*arguments)`` run where ``needs`` are free."""
        task = self._task.options(num_cpus=needs.cpus, num_gpus=needs.gpus, name=key)
        self._refs[task.remote(self._board, key, function, arguments)] = key

    def ended(self, seconds: float) -> list[Ended]:
        """Return what has ended; ErktError once the head of the cluster has been silent for long."""
        self._check_head()
        if not self._refs:
            return []
        ready, _ = self._ray.wait(list(self._refs), num_returns=1, timeout=seconds)
        if ready:
            ready, _ = self._ray.wait(list(self._refs), num_returns=len(self._refs), timeout=0)
        return [self._end(reference) for reference in ready]

    def running(self) -> Mapping[str, Running]:
        """Return what runs now, by key."""
        names = self._names()
        keys = set(self._refs.values())
        try:
            begun = self._ray.get(self._board.look.remote(), timeout=_CONNECT_SECONDS)
        except self._ray.exceptions.RayError:  # the node with the board has gone, and it is made anew
            return {}
        return {
            key: Running(names.get(node, node), since) for key, (node, since) in begun.items() if key in keys
        }

    def stop(self) -> list[Ended]:
        """Interrupt all tasks, and wait until those that run have left."""
        for reference in self._refs:
            self._ray.cancel(reference)
        waiting = list(self._refs)
        if waiting:
            self._ray.wait(waiting, num_returns=len(waiting), timeout=_LEAVING_SECONDS)
        return [self._end(reference) for reference in waiting]

    def nodes(self) -> dict[str, Mapping[str, float]]:
        """Return what each machine that is up has (``CPU``, ``GPU``, ...), by name."""
        return {node["NodeName"]: node["Resources"] for node in self._ray.nodes() if node["Alive"]}

    def everywhere(
        self, function: Callable[..., Any], *arguments: object, leave: Callable[[], bool] = lambda: False
    ) -> list[Ended]:
        """Run a function once on each machine that is up, beside everything else; return how it ended.

        Raises KeyboardInterrupt once ``leave`` says so.
        """
        pinned = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        up = {node["NodeID"]: node["NodeName"] for node in self._ray.nodes() if node["Alive"]}
        for node, name in up.items():
            strategy = pinned(node, soft=False)
            task = self._task.options(num_cpus=0, scheduling_strategy=strategy)
            self._refs[task.remote(self._board, name, function, arguments)] = name
        ended: list[Ended] = []
        while len(ended) < len(up):
            if leave():
                self.stop()
                raise KeyboardInterrupt
            ended += self.ended(1)
        return ended

    def _end(self, reference: Any) -> Ended:
        key = self._refs.pop(reference)
        try:
            node, seconds, value = self._ray.get(reference, timeout=0)
            return Ended(key, self._names().get(node, node), seconds, value, None)
        except (self._ray.exceptions.RayError, RuntimeError) as error:
            seen = self._last_seen(key)
            since = time.time() - seen.since if seen else 0.0
            return Ended(key, seen.node if seen else "", max(0.0, since), None, self._why(error))

    def _last_seen(self, key: str) -> Running | None:
        with suppress(self._ray.exceptions.RayError):
            begun = self._ray.get(self._board.look.remote(), timeout=_CONNECT_SECONDS)
            if key in begun:
                node, since = begun[key]
                return Running(self._names().get(node, node), since)
        return None

    def _why(self, error: Exception) -> str:
        known = self._ray.exceptions
        cause = error.cause if isinstance(error, known.RayTaskError) else error
        if isinstance(cause, (known.TaskCancelledError, known.GetTimeoutError)):
            return "stopped"
        if isinstance(error, known.RayTaskError):
            told = " ".join(str(cause).split())
            return told if type(cause) in (ErktError, RuntimeError) else f"{type(cause).__name__}: {told}"
        if isinstance(error, known.OutOfMemoryError):
            return (
                f"its machine ran out of memory {RETRIES + 1} times; give each more CPUs, so that fewer run"
            )
        if isinstance(error, known.TaskUnschedulableError):
            return "no machine has what it needs"
        if isinstance(error, (known.WorkerCrashedError, known.NodeDiedError, known.LocalRayletDiedError)):
            return f"its process or machine was lost {RETRIES + 1} times"
        return f"{type(error).__name__}: {' '.join(str(error).split())}"

    def _names(self) -> dict[str, str]:
        return {node["NodeID"]: node["NodeName"] for node in self._ray.nodes()}

    def _check_head(self) -> None:
        if self._head is None or time.monotonic() - self._asked < _CONNECT_SECONDS:
            return
        self._silent = 0 if _answers(self._head) else self._silent + 1
        self._asked = time.monotonic()
        if self._silent >= _LOST_AFTER:
            raise ErktError(f"{self._head}: the head of the cluster no longer answers")


@contextmanager
def joined(address: str | None, workers: int) -> Iterator[RayCluster]:
    """Yield the cluster at ``address`` (``host:port``), or a new one of this machine for ``workers`` tasks.

    Raises ErktError if Ray is not installed, nobody answers at the address, or it leads to another machine
    without token authentication.
    """
    if address is not None:
        _check_address(address)
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_task_oom_retries": str(RETRIES),
        "RAY_DEDUP_LOGS_SKIP_REGEX": "^",  # what is lost and run again would be pages on stdout
    }
    settings |= {} if address else _LOCAL
    former = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    own = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": _OBJECTS_BYTES}
    ray = _ray()
    try:
        _init(ray, address, {} if address else own)
        yield RayCluster(ray, address)
    finally:
        ray.shutdown()
        for name, value in former.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def by_value(module: ModuleType) -> None:
    """Have a module's functions travel to workers as they are here; it imports nothing of this project."""
    importlib.import_module("ray.cloudpickle").register_pickle_by_value(module)


def _ray() -> ModuleType:
    """Import Ray, with what it must be told before; ErktError if it is not installed."""
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.util.scheduling_strategies")
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ErktError(
            f"Ray is not installed for {sys.executable}; run: pip install 'erkt[fleet]'"
        ) from None
    by_value(sys.modules[__name__])
    return ray


def _init(ray: ModuleType, address: str | None, own: Mapping[str, Any]) -> None:
    """Join or start a cluster; a start is tried again, since Ray gives its parts no more than 30 s."""
    for left in reversed(range(1 if address else _STARTS)):
        try:
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level="ERROR",
                configure_logging=False,
                **own,
            )
            return
        except Exception as error:  # noqa: BLE001  # Ray raises a bare one where a start takes too long
            ray.shutdown()
            if not left:
                line = " ".join(str(error).split())
                raise ErktError(f"Ray{f' at {address}' if address else ''}: {line[:300]}") from None


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ErktError(f"{address}: no address of a cluster; expected HOST:PORT, as ray start prints it")
    if not _answers(address):
        raise ErktError(f"{address}: no cluster answers there; ray start --head starts one")
    loopback = host == "localhost" or host.startswith("127.")
    if not loopback and os.environ.get("RAY_AUTH_MODE") != "token":
        raise ErktError(
            f"{address}: whoever reaches a cluster without a token runs what they like on it; set "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH here and where each ray start runs"
        )


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError):
        return False
    return True


class _Board:
    """An actor that is told which task begins where; Ray tells that only to its dashboard."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[str, float]] = {}

    def began(self, key: str, node: str) -> None:
        self._begun[key] = (node, time.time())

    def look(self) -> dict[str, tuple[str, float]]:
        return self._begun


def _work(
    board: Any, key: str, function: Callable[..., Any], arguments: tuple[object, ...]
) -> tuple[str, float, Any]:
    """Run a task on a worker; return the node, the seconds, and what the function returned."""
    ray = importlib.import_module("ray")
    if threading.current_thread() is threading.main_thread():
        # Ray stops a task as Ctrl-C would, which a shell has its jobs in the background ignore.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    context = ray.get_runtime_context()
    node: str = context.get_node_id()
    # It is waited for, so that it is known where a task failed. Not by ray.get: meanwhile Ray would give this
    # task's cores to another one, and from then on both would run.
    with suppress(ray.exceptions.RayError, TimeoutError):
        board.began.remote(key, node).future().result(timeout=_CONNECT_SECONDS)
    counted = any(one["Resources"].get("GPU") for one in ray.nodes() if one["NodeID"] == node)
    with _no_card() if counted and not context.get_accelerator_ids().get("GPU") else nullcontext():
        started = time.perf_counter()
        value = function(*arguments)
        return node, time.perf_counter() - started, value


@contextmanager
def _no_card() -> Iterator[None]:
    """Hide the cards of this machine from this process, and from what it starts: Ray shows them all.

    Only from a task that holds none. The next one of this process may hold one.
    """
    former = os.environ.get(_CARDS)
    os.environ[_CARDS] = ""
    try:
        yield
    finally:
        os.environ.pop(_CARDS)
        os.environ |= {} if former is None else {_CARDS: former}
