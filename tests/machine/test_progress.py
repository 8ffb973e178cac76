import io
import sys

import pytest

from erkt.machine.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    attempts = 0

    def flush(self) -> None:
        self.attempts += 1
        raise BrokenPipeError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tqdm.std.time", clock)
    return clock


def test_a_log_gets_the_first_line_then_one_every_ten_seconds_and_the_last(clock: Clock) -> None:
    """The rate is that of what was done since the first line."""
    stream = io.StringIO()
    progress = Progress(41, label="train_teacher@0-b0", unit="steps", done=1, stream=stream)
    for done in range(1, 42):
        progress.update(done)
        clock.now += 0.5
    progress.close()
    progress.update(41)
    assert stream.getvalue() == (
        "train_teacher@0-b0: 1/41 steps, ? steps/s, ? left\n"
        "train_teacher@0-b0: 21/41 steps,  2.00 steps/s, 00:10 left\n"
        "train_teacher@0-b0: 41/41 steps,  2.00 steps/s, 00:00 left\n"
    )


def test_a_log_closed_early_ends_with_how_far_the_work_came(clock: Clock) -> None:
    stream = io.StringIO()
    progress = Progress(None, label="download", unit="B", done=1_000_000, stream=stream)
    clock.now += 5
    progress.update(3_500_000)
    progress.close()
    assert stream.getvalue() == "download: 1.00MB, ?B/s\ndownload: 3.50MB, 500kB/s\n"


def test_a_terminal_has_one_line_no_wider_than_it_is(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    stream = Terminal()
    progress = Progress(100, label="split", unit="parts", stream=stream)
    for done in range(1, 100):
        progress.update(done)
        clock.now += 0.01
    progress.close()
    first, *shown = stream.getvalue().split("\r")
    assert first == ""
    assert 8 <= len(shown) <= 12, "ten times a second"
    assert all(len(line.rstrip("\n")) <= 30 for line in shown)
    assert shown[-1].startswith("split: 99/100 parts")
    assert [line for line in shown if line.endswith("\n")] == shown[-1:]


@pytest.mark.parametrize("broken", ["reader", "closed", "none"])
def test_a_stream_that_goes_away_does_not_stop_the_work(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Gone() if broken == "reader" else io.StringIO()
    monkeypatch.setattr(sys, "stderr", None if broken == "none" else stream)
    progress = Progress(2, label="x", unit="steps")
    if broken == "closed":
        stream.close()
    progress.update(1)
    progress.update(2)
    if broken == "reader":
        assert stream.attempts == 1
