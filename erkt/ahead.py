"""The next piece of work is prepared while the current one is used."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """Yield ``make(item)`` for each of ``items``, in order, made one ahead in a thread of its own.

    What ``make`` raises is raised where its result is due.
    """
    with ThreadPoolExecutor(1) as pool:
        coming: Future[Made] | None = None
        for item in items:
            current, coming = coming, pool.submit(make, item)
            if current is not None:
                yield current.result()
        if coming is not None:
            yield coming.result()
