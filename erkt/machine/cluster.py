"""Functions that run elsewhere: what is asked of an engine, and what it says of each.

The engine is optional and there is one, Ray (``erkt.machine.ray_cluster``); this module does not know it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Needs:
    """What a task holds while it runs: CPU cores, and cards or a fraction of one."""

    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True)
class Running:
    """Where a task runs, and since when (seconds since 1970, by the node's clock)."""

    node: str
    since: float


@dataclass(frozen=True)
class Ended:
    """A task that has ended: where, after how many seconds there, with what, or why without (one line)."""

    key: str
    node: str
    seconds: float
    value: Any
    error: str | None


class Cluster(Protocol):
    """Machines that run functions. A task that is lost with its process or machine is run again elsewhere."""

    def submit(self, key: str, needs: Needs, function: Callable[..., Any], *arguments: object) -> None:
        """Have ``function(*arguments)`` run somewhere, under a name that no other task of now has."""

    def ended(self, seconds: float) -> list[Ended]:
        """Return what has ended since the last call; wait up to ``seconds`` for the first of them.

        Raises ErktError once the cluster itself is gone.
        """

    def running(self) -> Mapping[str, Running]:
        """Return what runs now, by key; the others wait for a place."""

    def stop(self) -> list[Ended]:
        """Ask all that runs to leave, wait for it, and return what has ended."""
