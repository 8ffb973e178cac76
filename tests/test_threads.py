"""One thread for short operations: in this block, in this thread of the program, and nowhere else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from views_settings import EVERYTHING, sample_images

from erkt.views.apply import apply_before_cutmix
from erkt.views.draws import draw
from erkt.views.threads import one_thread


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_within() -> int:
    with one_thread():
        return torch.get_num_threads()


def test_it_holds_within_the_block() -> None:
    assert threads_within() == 1
    assert torch.get_num_threads() == 2


def test_it_ends_with_an_error() -> None:
    with pytest.raises(ValueError, match="within"), one_thread():
        raise ValueError("within")
    assert torch.get_num_threads() == 2


def test_it_holds_in_a_new_thread_of_the_program_and_only_there() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(threads_within).result() == 1
        assert pool.submit(torch.get_num_threads).result() == 2
    with one_thread(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2


def test_views_leave_torchs_own_switch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would make oneDNN forget the code it has compiled for a network."""
    images = sample_images(4, 64)
    rows = draw(0, 0, 4, 64, EVERYTHING)
    monkeypatch.setattr(torch, "set_num_threads", None)
    apply_before_cutmix(images, rows, EVERYTHING)
