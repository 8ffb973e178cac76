"""Images decoded by all cores, in order, a bounded number ahead."""

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image

from erkt.deploy.inputs import Source
from erkt.deploy.pixels import Decoder, Pixels, from_bytes
from erkt.errors import ErktError
from erkt.params.prepare import Prepare

_AHEAD = 4
"""Images under way for each thread: their decoded pixels, or compressed bytes, are all that is held."""


@dataclass(frozen=True)
class Decoded:
    """An image by name: its pixels, or why it has none; ``stamp`` is its source's."""

    name: str
    pixels: Pixels | None
    error: str | None
    stamp: str = ""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decoded(
    sources: Iterable[Source], settings: Prepare, threads: int, decoder: Decoder = "exact"
) -> Iterator[Decoded]:
    """Yield each source's pixels, or why it has none, in order, decoded by ``threads`` threads.

    Pillow reads and resizes without Python's global lock. Images that ``prepare`` refuses for their size are
    refused here too.
    """
    waiting: deque[tuple[Source, Future[Pixels]]] = deque()
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # as erkt.data.prepare has it
        try:
            for source in sources:
                data = source.read if source.ahead else _read_now(source)
                waiting.append((source, pool.submit(_pixels, data, settings, decoder)))
                if len(waiting) > _AHEAD * threads:
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
        finally:  # whoever takes no more waits for none of the rest
            for _, future in waiting:
                future.cancel()


def _pixels(data: Callable[[], bytes], settings: Prepare, decoder: Decoder) -> Pixels:
    return from_bytes(data(), settings, decoder)


def _read_now(source: Source) -> Callable[[], bytes]:
    """Return what gives the bytes, or raises why there are none, once the source itself no longer can."""
    try:
        data = source.read()
    except ErktError as error:
        reason = str(error)

        def refuse() -> bytes:
            raise ErktError(reason)

        return refuse
    return lambda: data


def _result(source: Source, future: Future[Pixels]) -> Decoded:
    try:
        return Decoded(source.name, future.result(), None, source.stamp)
    except ErktError as error:
        return Decoded(source.name, None, str(error), source.stamp)
