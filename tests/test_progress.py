import io
import sys

import pytest

from erkt.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screen(written: str) -> list[str]:
    """What a terminal shows: a carriage return goes back to the start, later text overwrites."""
    lines = []
    for line in written.split("\n"):
        cells: list[str] = []
        for piece in line.split("\r"):
            cells[: len(piece)] = piece
        lines.append("".join(cells).rstrip())
    return lines


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_a_log_gets_the_first_line_then_one_every_ten_seconds_and_the_last(clock: Clock) -> None:
    stream = io.StringIO()
    progress = Progress(41, label="train_teacher@0-b0", unit="steps", stream=stream, clock=clock)
    for done in range(1, 42):
        progress.update(done, f"loss {1 / done:.3f}")
        clock.now += 0.5
    assert stream.getvalue() == (
        "train_teacher@0-b0: 1/41 steps, loss 1.000\n"
        "train_teacher@0-b0: 21/41 steps, 2 steps/s, 0:00:10 left, loss 0.048\n"
        "train_teacher@0-b0: 41/41 steps, 2 steps/s, loss 0.024\n"
    )


def test_an_interrupted_log_ends_with_how_far_the_work_came(clock: Clock) -> None:
    stream = io.StringIO()

    def work() -> None:
        with Progress(1000, label="prepare", unit="images", stream=stream, clock=clock) as progress:
            progress.update(100)
            clock.now += 1
            progress.update(350)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert (
        stream.getvalue()
        == "prepare: 100/1,000 images\nprepare: 350/1,000 images, 250 images/s, 0:00:03 left\n"
    )


@pytest.mark.usefixtures("wide")
def test_a_terminal_shows_one_line_and_no_rest_of_a_longer_one(clock: Clock) -> None:
    stream = Terminal()
    progress = Progress(4, label="split", unit="parts", stream=stream, clock=clock)
    progress.update(1, "a long message")
    clock.now += 3600
    progress.update(2)
    assert screen(stream.getvalue()) == ["split: 2/4 parts, 0.000278 parts/s, 2:00:00 left"]
    progress.update(3, "too soon to be shown")
    clock.now += 3600
    progress.update(4)
    assert screen(stream.getvalue()) == ["split: 4/4 parts, 0.000417 parts/s", ""]


@pytest.mark.usefixtures("wide")
def test_a_terminal_line_left_early_is_brought_up_to_date_and_ended(clock: Clock) -> None:
    stream = Terminal()
    with Progress(4, label="split", unit="parts", stream=stream, clock=clock) as progress:
        progress.update(1)
        clock.now += 0.05
        progress.update(2)
        assert screen(stream.getvalue()) == ["split: 1/4 parts"]
    assert screen(stream.getvalue()) == ["split: 2/4 parts, 20 parts/s, 0:00:00 left", ""]


def test_a_terminal_line_is_never_wider_than_the_terminal(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    progress = Progress(9, label="a label of its own", unit="images", stream=stream, clock=clock)
    progress.update(1)
    clock.now += 1
    progress.update(2)
    assert stream.getvalue() == "\ra label of its own:\ra label of its own:"


def test_a_terminal_is_rewritten_at_most_ten_times_a_second(clock: Clock) -> None:
    stream = Terminal()
    progress = Progress(10_000, label="x", unit="steps", stream=stream, clock=clock)
    for done in range(1, 1001):
        progress.update(done)
        clock.now += 1 / 512
    assert 15 <= stream.getvalue().count("\r") <= 20


def test_a_total_that_nobody_knows_leaves_out_the_time_left(clock: Clock) -> None:
    stream = io.StringIO()
    with Progress(None, label="download", unit="B", stream=stream, clock=clock) as progress:
        progress.update(1_000_000)
        clock.now += 10
        progress.update(3_500_000)
    assert stream.getvalue() == "download: 1,000,000 B\ndownload: 3,500,000 B, 250,000 B/s\n"


def test_closing_twice_and_updating_afterwards_shows_nothing_more(clock: Clock) -> None:
    stream = io.StringIO()
    progress = Progress(1, label="x", unit="steps", stream=stream, clock=clock)
    progress.update(1)
    progress.close()
    progress.update(1, "again")
    progress.close()
    assert stream.getvalue() == "x: 1/1 steps\n"


def test_nothing_is_shown_where_nothing_happened(clock: Clock) -> None:
    stream = Terminal()
    Progress(3, label="x", unit="steps", stream=stream, clock=clock).close()
    assert stream.getvalue() == ""


def test_the_standard_error_stream_of_the_moment_is_the_default(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    Progress(1, label="x", unit="steps", clock=clock).update(1)
    assert stream.getvalue() == "x: 1/1 steps\n"


def test_a_reader_that_has_gone_does_not_stop_the_work(clock: Clock) -> None:
    class Gone(io.StringIO):
        attempts = 0

        def flush(self) -> None:
            self.attempts += 1
            raise BrokenPipeError

    stream = Gone()
    progress = Progress(2, label="x", unit="steps", stream=stream, clock=clock)
    progress.update(1)
    progress.update(2)
    assert stream.attempts == 1


def test_a_closed_or_missing_stream_does_not_stop_the_work(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    progress = Progress(2, label="x", unit="steps", stream=stream, clock=clock)
    stream.close()
    progress.update(1)
    progress.update(2)
    monkeypatch.setattr(sys, "stderr", None)
    Progress(1, label="x", unit="steps", clock=clock).update(1)
