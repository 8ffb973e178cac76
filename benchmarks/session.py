"""What benchmarks are handed, whoever runs them: the device, the rows so far, and how two things race.

Needs no pytest: ``benchmarks.conftest`` makes these for pytest, ``benchmarks.day`` for a machine without it.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from benchmarks.goals import goal_of
from benchmarks.rows import Row, row_of
from erkt.evaluation.timing import in_turns

ROUNDS, QUICK_ROUNDS = 7, 3
Race = Callable[..., dict[str, list[float]]]


@dataclass
class Bench:
    """One session: the device, whether it is short and whole, the rows so far.

    ``eager`` leaves out what needs minutes to be compiled or exported.
    """

    device: torch.device
    quick: bool
    whole: bool
    eager: bool = False
    rows: list[Row] = field(default_factory=list)

    @cached_property
    def name(self) -> str:
        """The device in words."""
        if self.device.type == "cuda":
            return str(torch.cuda.get_device_name())
        with suppress(ImportError):
            import cpuinfo

            return str(cpuinfo.get_cpu_info().get("brand_raw", platform.machine()))
        return platform.machine()

    @property
    def rounds(self) -> int:
        """The usual number of rounds of a race."""
        return QUICK_ROUNDS if self.quick else ROUNDS

    def add(self, name: str, against: str, ratios: Sequence[float], **facts: Any) -> Row:
        """Keep and return the row of ``ratios``, one a round; ``facts`` as ``row_of`` takes them."""
        facts = {"size": 0, "batch": 0, "dtype": "fp32", "device": self.name} | facts
        made = row_of(name, against, ratios, goal_of(name, self.device.type), **facts)
        self.rows.append(made)
        return made

    def race(
        self, calls: Mapping[str, Callable[[], object]], times: int = 1, longer: int = 1
    ) -> dict[str, list[float]]:
        """Return the seconds of each call in each round; all take turns, and the device's work is waited for.

        ``times`` repeats a call that is too short to be timed; ``longer`` is for a ratio so near to its goal
        that the usual number of rounds cannot tell.
        """
        timed = {name: _finished(call, times, self.device) for name, call in calls.items()}
        return in_turns(timed, longer * self.rounds)


def _finished(call: Callable[[], object], times: int, device: torch.device) -> Callable[[], None]:
    def finished() -> None:
        for _ in range(times):
            call()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return finished
