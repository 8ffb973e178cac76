"""Long work shows how far it is, by tqdm: one line rewritten on a terminal, a few plain lines in a log.

Nothing is drawn at random and nothing is measured but time, so a stage's result cannot depend on it.
"""

import shutil
import sys
from threading import RLock
from typing import TextIO

from tqdm import tqdm

tqdm.monitor_interval = 0  # no thread: the time between lines is fixed here, and there is nothing to adapt
tqdm.set_lock(RLock())  # else one that all processes share, which one that is killed would leave behind


class Progress:
    """Done and total, rate and time left of one piece of work.

    On a terminal one line is rewritten in place. Elsewhere (a pipe, CI, the output that DVC captures) plain
    lines come out: the first, then at most one every 10 s, and the last. A stream that can no longer be
    written to ends the display, never the work.

    Args:
        total: number of units of the whole work; None if nobody knows.
        label: what is being done, for example the name of the stage.
        unit: name of a unit, plural, for example ``images``; ``B`` is shown in kB, MB and so on.
        done: what is done already, for example by an earlier run; it does not raise the rate.
        stream: where the lines go; None means ``sys.stderr`` as it is now.
    """

    def __init__(
        self, total: int | None, *, label: str, unit: str, done: int = 0, stream: TextIO | None = None
    ) -> None:
        self._lines = _Lines(sys.stderr if stream is None else stream)
        terminal = self._lines.terminal
        of_total = "{desc}: {n_fmt}/{total_fmt}{unit}, {rate_fmt}, {remaining} left"
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=label,
            unit=unit if unit == "B" else f" {unit}",
            unit_scale=unit == "B",
            bar_format="{desc}: {n_fmt}{unit}, {rate_fmt}" if total is None else of_total,
            file=self._lines,
            ncols=shutil.get_terminal_size().columns if terminal else None,
            position=0,
            mininterval=0.1 if terminal else 10,
            miniters=1,
            smoothing=0,  # the mean rate
        )

    def update(self, done: int) -> None:
        """Say that ``done`` units of the whole work are done; reaching the total closes the display."""
        self._bar.update(done - self._bar.n)
        if done == self._bar.total:
            self.close()

    def close(self) -> None:
        """Show the last line, if it is not the one shown already, and leave it; later calls do nothing."""
        self._bar.leave = self._lines.terminal or self._bar.n != self._bar.last_print_n
        self._bar.close()


class _Lines:
    """What tqdm writes, as plain lines where there is no terminal, and nowhere once the stream has gone.

    tqdm itself rewrites its line in logs too, and a pipe whose reader has gone would stop the work.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.terminal = stream is not None and stream.isatty()

    def write(self, text: str) -> None:
        line = text.strip()
        if not self.terminal:
            text = f"{line}\n" if line else ""
        try:
            if self._stream is not None and text:
                self._stream.write(text)
                self._stream.flush()
        except (OSError, ValueError):  # the reader of a pipe has gone, or the stream has been closed
            self._stream = None

    def flush(self) -> None:
        """Do nothing: ``write`` has done it."""
