"""A stage that may take hours: it goes on from its last checkpoint, and its result is not made twice.

DVC records a stage only after it has ended. A result that DVC did not come to record, because it was killed,
is kept with the stage's state and put in place again.
"""

from collections.abc import Callable
from pathlib import Path

from erkt.inflight import states
from erkt.inflight.stopping import Stop

Warn = Callable[[str], None]


def run_or_take(
    state: states.State, outs: list[Path], work: Callable[[], str], stop: Stop, warn: Warn
) -> str:
    """Return the line of ``work``, which makes ``outs``: by running it, or from an earlier run's kept result.

    Waits while another process works on the same state.
    """

    def waiting() -> None:
        warn("another process is at work on this, with the same inputs; waiting for it")

    with states.alone(state.lock, waiting, lambda: stop.requested):
        result = state.take(Path.cwd(), warn)
        if result is not None:
            return f"{result.line} (finished earlier, not recorded then)"
        line = work()
        state.finish(Path.cwd(), outs, line)
        return line
