"""Images with equal pixels: how many there are, and how many test images were learned from."""

from collections.abc import Collection
from dataclasses import dataclass

from erkt.data.duplicates import digest, equal_groups
from erkt.data.images import Images
from erkt.data.index import NO_LABEL


@dataclass(frozen=True)
class Twins:
    """``repeated`` images have the pixels of an earlier one; ``conflicts`` groups have several classes.

    ``leaked`` test images, of the seed with the most, are equal to an image outside the test part.
    """

    repeated: int
    conflicts: int
    leaked: int


def find(images: Images, tests: Collection[Collection[str]]) -> Twins:
    """Return the twins among prepared images; ``tests`` are the keys of each seed's test part."""
    groups = equal_groups([digest(pixels) for pixels in images.array])
    rows = [[images.index[place] for place in group] for group in groups]
    known = [{row.label for row in group} - {NO_LABEL} for group in rows]
    leaks = [0]
    for test in map(frozenset, tests):
        inside = [sum(row.key in test for row in group) for group in rows]
        leaks.append(sum(count for count, group in zip(inside, rows, strict=True) if count < len(group)))
    return Twins(
        sum(len(group) - 1 for group in groups), sum(len(labels) > 1 for labels in known), max(leaks)
    )
