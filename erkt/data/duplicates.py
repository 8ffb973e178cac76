"""Images that are there more than once: equal pixels, and near duplicates.

A near duplicate shows the same frame again: saved with another quality or size, somewhat brighter, turned by
a quarter or mirrored (a scene seen from above has no upright), or cut a few pixels beside. It is found in two
steps, because neither does alone:

1. Candidates: pairs whose 64-bit perceptual hashes (pHash, library ImageHash) differ in at most ``MAX_BITS``
   bits in any of the eight orientations. All pairs are compared. The hash knows only the coarse layout, which
   beaches, fields and stadiums share.
2. Confirmation: the highest correlation of fine detail (grey, 64 px a side, the band between blurs of 1 and
   3 px) over all shifts is at least ``MIN_SIMILARITY``. Images without detail, such as open water, are never
   near duplicates: nothing tells them apart or together.

Both bounds are measured on 3000 scenes of AID at 128 px, 4.5 million pairs. Copies of every fourth scene
(JPEG quality 30, half size, 15 % brighter, 20 % less contrast) differ in at most 6 bits for 99 of 100,
correlate by 0.82 or more, and all but one of 3000 are found; cut 3 % beside 99.7 % are, zoomed by 5 % 83 %.
14 bits leave 770 candidates among different images, of which the three above 0.70 are one place each (0.94,
0.88, 0.78) and all others two places (0.54 and less).

Not found: the same place cut a tenth of the side beside, zoomed by a tenth or, mostly, on another day. Found
though it is none: two places with one sharp border in common, such as the rim of a mosaic.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

MAX_BITS = 14
MIN_SIMILARITY = 0.70
MIN_DETAIL = 0.5  # grey levels: noise and compression make up to 0.4 of a plain surface, AID starts at 0.76
ORIENTATIONS = (
    "as it is",
    "turned by 90 degrees",
    "turned by 180 degrees",
    "turned by 270 degrees",
    "mirrored",
    "mirrored and turned by 90 degrees",
    "mirrored and turned by 180 degrees",
    "mirrored and turned by 270 degrees",
)

_SIDE = 64
_ROWS, _COLUMNS = 128, 4096  # a tile of pairs that stays in the processor's cache
_CONFIRMED_AT_ONCE = 512

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is compared of one image.

    ``digest`` is the sha256 of its pixels, ``hashes`` uint64 (8,) one for each of ``ORIENTATIONS``,
    ``detail`` float16 (64, 64) of mean square 1, or all zero for an image without detail.
    """

    digest: str
    hashes: NDArray[np.uint64]
    detail: NDArray[np.float16]


@dataclass(frozen=True)
class Pair:
    """Two near duplicates by position, ``first < second``.

    ``bits`` by which the hashes differ, ``similarity`` of detail in [0, 1], and how ``second`` has to be
    turned to look like ``first``, one of ``ORIENTATIONS``.
    """

    first: int
    second: int
    bits: int
    similarity: float
    orientation: str


@dataclass(frozen=True)
class Duplicates:
    """``equal``: positions of equal pixels, two or more a group. ``near``: pairs of near duplicates.

    Of a group of equal pixels only the first takes part in ``near``.
    """

    equal: list[list[int]]
    near: list[Pair]

    def groups(self, count: int) -> list[list[int]]:
        """Return which of ``count`` positions hang together, equal or near, two or more a group.

        Near duplicates chain: with a near b and b near c, a and c are in one group.
        """
        links = [(group[0], other) for group in self.equal for other in group[1:]]
        links += [(pair.first, pair.second) for pair in self.near]
        ends = np.array(links, dtype=np.int64).reshape(-1, 2).T
        graph = coo_array((np.ones(len(links)), tuple(ends)), shape=(count, count))
        return equal_groups(connected_components(graph, directed=False)[1].tolist())


def digest(pixels: NDArray[np.uint8]) -> str:
    """Return the sha256 of an image's pixels, uint8 (3, H, W)."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def fingerprint(pixels: NDArray[np.uint8]) -> Fingerprint:
    """Return what is compared of an image, uint8 (3, H, W)."""
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).convert("L")
    small = np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))
    hashes = [_hash(_turned(small, number)) for number in range(len(ORIENTATIONS))]
    return Fingerprint(digest(pixels), np.array(hashes, dtype=np.uint64), _detail(small))


def find(prints: Sequence[Fingerprint]) -> Duplicates:
    """Return all equal and near duplicates.

    Time grows with the square of the number.
    """
    equal = equal_groups([entry.digest for entry in prints])
    repeated = {position for group in equal for position in group[1:]}
    compared = np.array(
        [i for i, entry in enumerate(prints) if i not in repeated and entry.detail.any()], dtype=np.int64
    )
    if len(compared) < 2:
        return Duplicates(equal, [])
    best: dict[tuple[int, int], Pair] = {}
    for first, second, turn, bits in _candidates(np.stack([prints[i].hashes for i in compared])):
        first, second = compared[first], compared[second]
        similarity = _similarity(prints, first, second, turn)
        for place in np.flatnonzero(similarity >= MIN_SIMILARITY):
            key = int(first[place]), int(second[place])
            pair = Pair(*key, int(bits[place]), float(similarity[place]), ORIENTATIONS[turn[place]])
            if key not in best or pair.similarity > best[key].similarity:
                best[key] = pair
    return Duplicates(equal, [best[key] for key in sorted(best)])


def equal_groups(values: Iterable[Hashable]) -> list[list[int]]:
    """Return the positions of each value that is there twice or more, in order."""
    places: dict[Hashable, list[int]] = {}
    for position, value in enumerate(values):
        places.setdefault(value, []).append(position)
    return [group for group in places.values() if len(group) > 1]


def duplicate_groups(
    array: NDArray[np.uint8],
    near: bool,
    on_image: Callable[[int, int], None],
    *sets: Sequence[int],
) -> list[list[list[int]]]:
    """Return for each of ``sets`` of rows the groups of rows that are duplicates: equal, or also ``near``.

    ``array`` is uint8 (N, 3, H, W); each of its rows is read once, and ``on_image(done, total)`` called after
    it. A group hangs together by rows of its set alone.
    """
    compared: list[Any] = []
    for position, pixels in enumerate(array):
        compared.append(fingerprint(pixels) if near else digest(pixels))
        on_image(position + 1, len(array))
    found = []
    for rows in sets:
        these = [compared[row] for row in rows]
        groups = find(these).groups(len(these)) if near else equal_groups(these)
        found.append([[rows[place] for place in group] for group in groups])
    return found


def _turned(image: NDArray[np.generic], number: int) -> NDArray[np.generic]:
    """Return a square image in the orientation that ``ORIENTATIONS`` has at ``number``."""
    return np.rot90(image[:, ::-1] if number >= 4 else image, number % 4)


def _hash(image: NDArray[np.generic]) -> np.uint64:
    bits = imagehash.phash(Image.fromarray(np.ascontiguousarray(image))).hash
    return np.uint64(np.packbits(bits).view(np.uint64)[0])


def _blur(sigma: float) -> NDArray[np.float32]:
    """Return the matrix that blurs columns; at the border the weights inside count."""
    at = np.arange(_SIDE)
    weights = np.exp(-((at[:, None] - at) ** 2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum(1, keepdims=True), dtype=np.float32)


_FINE, _COARSE = _blur(1.0), _blur(3.0)


def _detail(image: NDArray[np.uint8]) -> NDArray[np.float16]:
    values = image.astype(np.float32)
    band = _FINE @ values @ _FINE.T - _COARSE @ values @ _COARSE.T
    level = np.sqrt((band**2).mean())
    return np.asarray(band / level if level >= MIN_DETAIL else 0 * band, dtype=np.float16)


def _candidates(hashes: NDArray[np.uint64]) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
    """Yield (first, second, orientation, bits), each int64 (P,), of pairs at most ``MAX_BITS`` apart.

    ``hashes`` is uint64 (N, 8); ``first`` is compared as it is, ``second`` in every orientation.
    """
    turns = np.ascontiguousarray(hashes.T)
    for top in range(0, len(hashes), _ROWS):
        rows = turns[0, top : top + _ROWS, None]
        for left in range(top, len(hashes), _COLUMNS):
            found: list[Ints] = []
            for turn, columns in enumerate(turns[:, left : left + _COLUMNS]):
                bits = np.bitwise_count(rows ^ columns)
                row, column = np.nonzero(bits <= MAX_BITS)
                turned = np.full_like(row, turn)
                found.append(np.stack([row + top, column + left, turned, bits[row, column]]))
            pairs = np.concatenate(found, axis=1)
            pairs = pairs[:, pairs[0] < pairs[1]]
            for start in range(0, pairs.shape[1], _CONFIRMED_AT_ONCE):
                first, second, turn_of, bits_of = pairs[:, start : start + _CONFIRMED_AT_ONCE]
                yield first, second, turn_of, bits_of


def _similarity(prints: Sequence[Fingerprint], first: Ints, second: Ints, turn: Ints) -> NDArray[np.float32]:
    """Return float32 (P,): the highest circular cross-correlation of each pair's detail over all shifts."""
    here = np.stack([prints[i].detail for i in first]).astype(np.float32)
    there = np.stack([_turned(prints[i].detail, k) for i, k in zip(second, turn, strict=True)])
    spectrum = np.fft.rfft2(here).conj() * np.fft.rfft2(there.astype(np.float32))
    shifts = np.fft.irfft2(spectrum, s=(_SIDE, _SIDE)).reshape(len(first), -1)
    return np.asarray(shifts.max(1) / np.float32(_SIDE**2), dtype=np.float32)
