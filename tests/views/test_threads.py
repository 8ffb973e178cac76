"""One thread for short operations: in this block and in this thread of the program, and nowhere else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from erkt.views.threads import one_thread


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_it_holds_within_the_block_and_ends_with_it_and_with_an_error() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with pytest.raises(ValueError, match="within"), one_thread():
        raise ValueError("within")
    assert torch.get_num_threads() == 2


def test_it_holds_in_a_new_thread_of_the_program_and_only_there() -> None:
    def threads_within() -> int:
        with one_thread():
            return torch.get_num_threads()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(threads_within).result() == 1
        assert pool.submit(torch.get_num_threads).result() == 2
    with one_thread(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2
