"""One thread for operations so short that waking the others takes longer than the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the ``with`` block torch works with one thread on a CPU, where it is built with OpenMP.

    It holds for the calling thread alone. Not ``torch.set_num_threads``: that makes oneDNN forget the code it has
    compiled for a network, and the next step compiles it again (some 2 % of a step at 128 px).
    """
    torch.get_num_threads()  # in a new thread torch sets the number at the first call: let it, before the limit
    with _openmp().limit(limits=1):
        yield


@cache
def _openmp() -> ThreadpoolController:
    """Return the handle of OpenMP: found once, a search among all loaded libraries takes milliseconds."""
    return ThreadpoolController().select(user_api="openmp")
