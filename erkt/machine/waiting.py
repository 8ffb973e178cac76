"""How threads wait for each other: they look a while, then sleep."""

import os
from collections.abc import MutableMapping

LOOKS = 100_000
"""How often a thread of GNU OpenMP looks for its next piece of work before it sleeps.

By its own default it looks three times as often. Where other processes want the cores, that is the time in
which the thread that it waits for would have run. A step alone is as fast: see ``benchmarks/busy.py``.
"""


def sleep_soon(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have OpenMP's threads sleep after ``LOOKS``, unless ``environment`` says how they wait.

    To be called before torch is imported, which loads OpenMP. No bit of any result depends on it.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", str(LOOKS))
