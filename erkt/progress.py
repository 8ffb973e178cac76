"""Long work shows how far it is: one line rewritten on a terminal, a few plain lines in a log.

Nothing is drawn at random and nothing is measured but time, so a stage's result cannot depend on it.
"""

import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

_TERMINAL_SECONDS = 0.1  # between rewrites: quick enough for the eye, rare enough to cost nothing
_LOG_SECONDS = 10.0  # between the lines of a log


class Progress:
    """Done and total, rate and time left of one piece of work; usable as a context manager.

    On a terminal one line is rewritten in place. Elsewhere (a pipe, CI, the output that DVC captures)
    plain lines come out: the first, then at most one every 10 s, and the last. A stream that can no
    longer be written to ends the display, never the work.
    """

    def __init__(
        self,
        total: int | None,
        *,
        label: str,
        unit: str,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show nothing yet.

        Args:
            total: number of units of the whole work; ``None`` if nobody knows.
            label: what is being done, for example the name of the stage.
            unit: name of a unit, plural, for example ``images``.
            stream: where the lines go; ``None`` means ``sys.stderr`` as it is now.
            clock: seconds from any fixed moment.
        """
        self._total, self._label, self._unit = total, label, unit
        self._stream: TextIO | None = sys.stderr if stream is None else stream
        self._terminal = self._stream is not None and self._stream.isatty()
        self._clock = clock
        self._first: tuple[int, float] | None = None
        self._shown_at = 0.0
        self._shown = ""
        self._text = ""

    def update(self, done: int, message: str = "") -> None:
        """Say that ``done`` units of the whole work are done; ``message`` is short, such as a loss.

        The rate counts from the first call on, so work that an earlier run had done does not raise it.
        Reaching the total closes the display.
        """
        now = self._clock()
        first, started = self._first or (done, now)
        self._text = self._line(done, message, done - first, now - started)
        pause = _TERMINAL_SECONDS if self._terminal else _LOG_SECONDS
        if self._first is None or now - self._shown_at >= pause:
            self._show(now)
        self._first = (first, started)
        if done == self._total:
            self.close()

    def close(self) -> None:
        """Show the last line, if it is not the one shown already, and leave it; later calls do nothing."""
        if self._text != self._shown:
            self._show(self._clock())
        if self._terminal and self._shown:
            self._write("\n")
        self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _line(self, done: int, message: str, fresh: int, seconds: float) -> str:
        count = f"{done:,}" if self._total is None else f"{done:,}/{self._total:,}"
        parts = [f"{self._label}: {count} {self._unit}"]
        if fresh > 0 and seconds > 0:
            rate = fresh / seconds
            parts.append(f"{rate:,.0f} {self._unit}/s" if rate >= 100 else f"{rate:.3g} {self._unit}/s")
            if self._total is not None and done < self._total:
                minutes, rest = divmod(round((self._total - done) / rate), 60)
                parts.append(f"{minutes // 60}:{minutes % 60:02d}:{rest:02d} left")
        if message:
            parts.append(message)
        return ", ".join(parts)

    def _show(self, now: float) -> None:
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps cannot be rewritten
            self._write("\r" + self._text[:width].ljust(min(width, len(self._shown))))
        else:
            self._write(self._text + "\n")
        self._shown, self._shown_at = self._text, now

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the reader of a pipe has gone, or the stream has been closed
            self._stream = None
