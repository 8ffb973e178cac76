"""How long networks take on the same images, measured in turns within one process.

Seconds depend on the machine and on what else it does; ratios within one run depend on it far less.
"""

import time
from collections.abc import Callable, Mapping


def in_turns(
    calls: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Return the seconds of each call in each of ``rounds``, after one round that does not count.

    Every round calls all of them, each time beginning with another, so that what slows the machine for a
    while slows all alike.
    """
    names = list(calls)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            started = clock()
            calls[name]()
            seconds[name].append(clock() - started)
    return seconds
