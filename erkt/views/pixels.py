"""Where a device finds the training set's pixels: beside it, or read as they are needed, one batch ahead."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from erkt.data.images import Subset
from erkt.errors import ErktError
from erkt.machine.device import free_bytes, send
from erkt.params.runtime import Place

_CHUNK = 2**26  # bytes that are sent at a time
_SHARE = 2  # of the free memory: what is left belongs to the network

T = TypeVar("T")
U = TypeVar("U")


def resident(subset: Subset, device: torch.device, place: Place) -> Tensor | None:
    """Return all pixels of ``subset`` on ``device``, uint8 (N, 3, S, S) in its order, or None.

    With ``auto`` they lie there if half of the free memory holds them. Raises ErktError if they do not fit
    although ``device`` is asked for.
    """
    needed, free = len(subset) * 3 * subset.side**2, free_bytes(device)
    if place == "host" or (place == "auto" and _SHARE * needed > free):
        return None
    if needed > free:
        raise ErktError(
            f"runtime.images: device, but the images take {needed / 1e9:.1f} GB and {device.type} has "
            f"{free / 1e9:.1f} GB free; set images: auto"
        )
    pixels = torch.empty(len(subset), 3, subset.side, subset.side, dtype=torch.uint8, device=device)
    size = max(1, _CHUNK // (3 * subset.side**2))
    for start in range(0, len(subset), size):
        positions = range(start, min(start + size, len(subset)))
        pixels[start : positions.stop] = send(subset.pixels(positions), device)
    return pixels


def ahead(read: Callable[[T], U], order: Sequence[T]) -> Iterator[U]:
    """Yield ``read(item)`` of each item of ``order``; a thread reads one while the caller has the last."""
    with ThreadPoolExecutor(1, "erkt-pixels") as thread:
        coming = [thread.submit(read, item) for item in order[:1]]
        for place in range(len(order)):
            here = coming.pop().result()
            coming = [thread.submit(read, item) for item in order[place + 1 : place + 2]]
            yield here
