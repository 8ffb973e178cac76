"""One thread for operations so short that waking the others takes longer than the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block torch's own loops on a CPU run on one thread, where torch is built with OpenMP.

    With the OpenMP of GNU, LLVM and Intel this holds for the calling thread alone. ``torch.set_num_threads``
    would make oneDNN forget what it has compiled for a network, and the next step would compile it again.
    """
    torch.get_num_threads()  # in a new thread torch sets the number at the first call: before the limit
    with _openmp().limit(limits=1):
        yield


@cache
def _openmp() -> ThreadpoolController:
    """Return the controller of all OpenMP libraries that are loaded, torch's among them.

    Found once: the search takes milliseconds.
    """
    return ThreadpoolController().select(user_api="openmp")
