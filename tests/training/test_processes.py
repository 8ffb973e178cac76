"""Processes that work together: what comes back from them, and what is said when one fails."""

import os
import signal
import time

import numpy as np
import pytest
import torch
from made import batches

from erkt.errors import ErktError
from erkt.inflight.stopping import Stop, Stopped
from erkt.training.processes import launch
from erkt.training.ranks import Group, joined

CPU = torch.device("cpu")


def own_number() -> int:
    return int(os.environ["RANK"])


def refuse(stop: Stop) -> str:
    """Fail in the second process alone, while the first waits for it."""
    with joined(CPU, share_cores=True) as ranks:
        if ranks.number == 1:
            raise ErktError("the disk is full: 3 left")
        ranks.any(False)
        return "not reached"


def die(stop: Stop) -> str:
    """End the first process as the kernel does where memory runs out, while the second waits for it."""
    with joined(CPU, share_cores=True) as ranks:
        if ranks.number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        ranks.any(False)
        return "not reached"


def break_down(stop: Stop) -> str:
    """Have a bug in each process."""
    return str([][own_number()])


def leave(stop: Stop) -> str:
    """Have one process asked to leave from outside; the others learn of it at their next step."""
    with joined(CPU, share_cores=True) as ranks:
        if ranks.number == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(10_000):
            if ranks.any(stop.requested):
                raise Stopped
            time.sleep(0.01)
        return "nobody left"


def test_what_fails_in_one_process_is_raised_as_if_there_were_no_other() -> None:
    with pytest.raises(ErktError, match=r"^the disk is full: 3 left$"):
        launch(2, CPU, refuse)


@pytest.mark.slow
def test_a_killed_process_is_one_line_that_names_it() -> None:
    with pytest.raises(ErktError, match=r"^process 1 of 2 was ended by SIGKILL, and the others with it; dvc"):
        launch(2, CPU, die)


@pytest.mark.slow
def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)^process . of 2:.*in break_down.*IndexError"):
        launch(2, CPU, break_down)


@pytest.mark.slow
def test_all_leave_when_one_is_asked_to() -> None:
    with pytest.raises(Stopped):
        launch(2, CPU, leave)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_whole_pairs_are_dealt_and_nothing_is_left_over(count: int) -> None:
    data = batches(count=31)
    view, order = data.epoch(0, 4)
    assert [len(batch) for batch in order] == [8, 8, 8, 7]
    dealt = [Group(number, count).deal(order) for number in range(count)]
    for place, batch in enumerate(order):
        shares = [shares[place] for shares in dealt]
        assert np.array_equal(np.concatenate(shares), batch)
        assert max(map(len, shares)) - min(map(len, shares)) <= 2
        for share in shares:
            assert set(view.partners[share]) == set(share)


def test_more_processes_than_the_smallest_batch_has_pairs_are_refused() -> None:
    _, order = batches(count=31).epoch(0, 4)
    with pytest.raises(
        ErktError, match=r"processes is 4, but the smallest batch has 3 pairs .* larger recipe"
    ):
        Group(0, 4).deal(order)


def test_fewer_cards_than_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(ErktError, match="processes is 2, and each takes a GPU of its own, but torch sees 1"):
        launch(2, torch.device("cuda"), leave)
