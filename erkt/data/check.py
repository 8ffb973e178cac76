"""What is to be known about a labelled tree before anyone trains on it.

The tree is read as the stages read it (``erkt.data.contents``), and files are decoded as
``erkt.data.prepare`` decodes them, so "unreadable" and "equal pixels" mean here what they will mean in the
pipeline. ``erkt.data.fitness`` judges what is found.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from erkt.data.archive import members
from erkt.data.contents import Contents, files_in, reader
from erkt.data.duplicates import Duplicates, Fingerprint, equal_groups, find, fingerprint
from erkt.data.index import NO_LABEL, UNLABELLED, labels_of, order_of
from erkt.data.pages import pages
from erkt.data.parts import NAMES, parts_in
from erkt.data.prepare import decode, in_threads
from erkt.data.sources.published import Published
from erkt.data.sources.table import images_listed
from erkt.data.splits import as_published, split
from erkt.errors import ErktError
from erkt.params.prepare import Prepare
from erkt.params.schema import as_dict
from erkt.params.split import Split

DARK = 64  # of 255; a picture whose brightest value is lower uses a quarter of its range at most
FLAT = 16  # of 256 levels; deeper pictures with fewer left have been flattened

_LEAKS = (
    ("val", "train"),
    ("test", "train"),
    ("test", "val"),
    ("val", "unlabelled"),
    ("test", "unlabelled"),
)
"""Parts that accuracy is measured on, each with one that a network has seen."""

Parts = Mapping[str, Sequence[tuple[str, int]]]


@dataclass(frozen=True)
class Facts:
    """What a tree holds; images are named by key, and counted if they are readable.

    ``classes``, ``sizes`` (``width``, ``height``, ``images``) and ``modes`` (Pillow's, or what GDAL says)
    count images, and ``unlabelled`` is how many have no class. ``brightest`` has the highest prepared value
    of each mode, 0 to 255; ``dark`` counts images that stay below ``DARK`` by mode, ``flat`` others of fewer
    than ``FLAT`` levels, ``blank`` those of a single value, and ``paged`` files of several pages or frames.
    ``left_out`` counts the ``ignored`` files by suffix, hidden ones apart; ``misplaced`` says what is wrong
    with the folders, and ``undivided`` why the split cannot be drawn, None if it can.
    ``unreadable`` and ``refused`` map a file to the reason. ``copies`` are groups of equal files, ``equal``
    groups of equal pixels, ``conflicts`` those of them with more than one class. ``near`` has the pairs of
    near duplicates as ``erkt.data.duplicates`` describes them. ``parts`` has the number of listed images by
    part of a split; ``twins`` has ``image``, ``part``, ``twin``, ``twin_part`` and ``kind`` (equal or near)
    for each test or validation image and each earlier or unlabelled part that holds a twin of it.
    """

    path: str
    prepare: dict[str, Any]
    classes: dict[str, int]
    unlabelled: int
    sizes: list[dict[str, int]]
    modes: dict[str, int]
    brightest: dict[str, int]
    dark: dict[str, int]
    flat: dict[str, int]
    blank: int
    paged: int
    ignored: list[str]
    left_out: dict[str, int]
    misplaced: list[str]
    undivided: str | None
    unreadable: dict[str, str]
    refused: dict[str, str]
    copies: list[list[str]]
    equal: list[list[str]]
    conflicts: list[list[str]]
    near: list[dict[str, Any]]
    parts: dict[str, int]
    twins: list[dict[str, str]]


def inspect(
    path: Path,
    settings: Prepare,
    parts: Parts,
    on_image: Callable[[int, int | None], None],
    division: Split | None = None,
    published: Published | None = None,
) -> Facts:
    """Return the facts on a folder of class folders, an archive or a CSV table, and on a split of it.

    ``division`` is how the images would be divided: whether that is possible is tried, for the first seed
    that there may be, 0. ``published`` takes a published split instead, which then is the one looked at.
    ``parts`` has the ``(key, label)`` of each part of a split by its name (train, val, test, unlabelled), and
    is empty without one. ``on_image(done, None)`` is called after each image.

    Raises ErktError for a path that is neither folder nor archive, for one that is refused as a whole
    (damaged, unsafe names, dangling links), and for lists that do not belong to it.
    """
    packed = None
    if published is not None and path.is_file() and not _is_table(path):
        packed = parts_in(members(path), str(path))
    if packed is not None:
        published = None  # the parts travel with this archive
    contents, scenes, unreadable = _read(path, settings, on_image, published)
    keys = sorted(scenes, key=order_of)
    labels = labels_of(map(class_of, keys))
    divided: dict[str, str] = packed or {}
    if published is not None and not contents.refused:
        divided = published.finished(contents.names)
    if divided:
        parts = parts or _as_lists(divided, keys, labels)
    _check_lists(parts, keys)
    ordered = [scenes[key] for key in keys]
    counts = Counter(map(class_of, keys))
    found = find([scene.fingerprint for scene in ordered])
    copies = equal_groups(scene.file_digest for scene in ordered)
    equal = [[keys[place] for place in group] for group in found.equal]
    modes = sorted({scene.mode for scene in ordered})
    sizes = Counter((scene.width, scene.height) for scene in ordered).most_common()
    return Facts(
        path=str(path),
        prepare=as_dict(settings),
        classes={name: count for name, count in sorted(counts.items()) if name != UNLABELLED},
        unlabelled=counts[UNLABELLED],
        sizes=[{"width": width, "height": height, "images": count} for (width, height), count in sizes],
        modes=dict(Counter(scene.mode for scene in ordered).most_common()),
        brightest={mode: max(s.high for s in ordered if s.mode == mode) for mode in modes},
        dark=dict(Counter(scene.mode for scene in ordered if scene.high < DARK)),
        flat=dict(Counter(s.mode for s in ordered if s.high >= DARK and s.high - s.low < FLAT)),
        blank=sum(scene.low == scene.high for scene in ordered),
        paged=sum(scene.pages > 1 for scene in ordered),
        ignored=sorted(map(_shown, contents.ignored)),
        left_out=contents.left_out(),
        misplaced=contents.misplaced(),
        undivided=_undivided(keys, labels, division, divided, found),
        unreadable=dict(sorted(unreadable.items())),
        refused={_shown(name): reason for name, reason in sorted(contents.refused.items())},
        copies=[[keys[place] for place in group] for group in copies],
        equal=equal,
        conflicts=[group for group in equal if several_classes(group)],
        near=[asdict(pair) | {"first": keys[pair.first], "second": keys[pair.second]} for pair in found.near],
        parts={part: len(listed) for part, listed in parts.items()},
        twins=_twins(keys, found, parts),
    )


@dataclass(frozen=True, eq=False)
class _Scene:
    """One readable image: size (upright), mode, pages, extreme prepared values, sha256 and fingerprint."""

    width: int
    height: int
    mode: str
    pages: int
    low: int
    high: int
    file_digest: str
    fingerprint: Fingerprint


def _read(
    path: Path,
    settings: Prepare,
    on_image: Callable[[int, int | None], None],
    published: Published | None,
) -> tuple[Contents, dict[str, _Scene], dict[str, str]]:
    """Return all files, readable images by key, and by key why a file does not decode."""
    contents = Contents(str(path), flat=path.is_dir())
    scenes: dict[str, _Scene] = {}
    unreadable: dict[str, str] = {}
    for key, future in in_threads(_bytes(path, contents, published), partial(_scene, settings=settings)):
        try:
            scenes[key] = future.result()
        except ErktError as error:
            unreadable[key] = str(error)
        on_image(len(scenes) + len(unreadable), None)
    return contents, scenes, unreadable


def _bytes(path: Path, contents: Contents, published: Published | None) -> Iterator[tuple[str, bytes]]:
    if _is_table(path):
        files = iter([(key, reader(file)) for key, file in images_listed(path, published).items()])
    elif published is not None:
        files = published.sorted_out(files_in(path))
    else:
        files = files_in(path)
    for key, read in contents.images(files):
        try:
            data = read()
        except (ErktError, OSError) as error:
            contents.refused[contents.names[key]] = str(error)
        else:
            yield key, data


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".csv" and path.is_file()


def _scene(data: bytes, settings: Prepare) -> _Scene:
    image = decode(data, settings)
    file_digest = hashlib.sha256(data).hexdigest()
    low, high = int(image.pixels.min()), int(image.pixels.max())
    size = (image.width, image.height)
    return _Scene(*size, image.mode, pages(data), low, high, file_digest, fingerprint(image.pixels))


def class_of(key: str) -> str:
    """Return the class of an image, or ``UNLABELLED``."""
    return order_of(key)[0]


def several_classes(keys: Sequence[str]) -> bool:
    """Return whether images have more than one class; those without any do not count."""
    return len({class_of(key) for key in keys} - {UNLABELLED}) > 1


def _shown(name: str) -> str:
    """Return the name with what no text or terminal should get as backslash escapes."""
    return name if name.isprintable() else repr(name)[1:-1].encode(errors="backslashreplace").decode()


def _as_lists(
    divided: Mapping[str, str], keys: Sequence[str], labels: Mapping[str, int]
) -> dict[str, list[tuple[str, int]]]:
    """Return key and label of the readable images by published part; one without images is left out."""
    lists: dict[str, list[tuple[str, int]]] = {part: [] for part in NAMES}
    for key in keys:
        if key in divided:  # others have no class
            lists[divided[key]].append((key, labels[class_of(key)]))
    return {part: listed for part, listed in lists.items() if listed}


def _undivided(
    keys: Sequence[str],
    labels: Mapping[str, int],
    division: Split | None,
    divided: Mapping[str, str],
    found: Duplicates,
) -> str | None:
    """Return why the stage ``split`` would refuse these images; None if it would not, or nobody asked."""
    if division is None or not keys:
        return None
    kind, known = division.group_duplicates, [labels[class_of(key)] for key in keys]
    places = [place for place, label in enumerate(known) if label != NO_LABEL]
    groups: Sequence[Sequence[int]] = []
    if kind != "none" and len(places) == len(keys):
        groups = found.groups(len(keys)) if kind == "near" else found.equal
    try:
        if division.train_percent is None:
            as_published(keys, known, divided, division, 0, groups)
        else:
            split(keys, known, division, 0, groups)
    except ErktError as error:
        return str(error)
    return None


def _check_lists(parts: Parts, keys: Sequence[str]) -> None:
    """Raise ErktError for the first listed image that is not in the tree with that label."""
    labels = labels_of(map(class_of, keys))
    known = {key: labels[class_of(key)] for key in keys}
    for part, listed in parts.items():
        for key, label in listed:
            if key not in known or label not in (known[key], NO_LABEL):
                is_not = "unreadable or not there" if key not in known else f"of label {known[key]}"
                raise ErktError(f"{part} lists {key!r} with label {label}, but it is {is_not}; split again")


def _twins(keys: Sequence[str], found: Duplicates, parts: Parts) -> list[dict[str, str]]:
    first = {place: group[0] for group in found.equal for place in group}
    original = {key: first.get(place, place) for place, key in enumerate(keys)}
    related = {place: [place] for place in original.values()}  # what is equal stands before what is near
    for pair in found.near:
        related[pair.first].append(pair.second)
        related[pair.second].append(pair.first)
    holders: dict[tuple[int, str], str] = {}
    for part, listed in parts.items():
        for key, _ in listed:
            holders.setdefault((original[key], part), key)
    twins: list[dict[str, str]] = []
    for part, earlier in _LEAKS:
        for key, _ in parts.get(part, ()):
            twin = next((place for place in related[original[key]] if (place, earlier) in holders), None)
            if twin is not None:
                kind = "equal" if twin == original[key] else "near"
                twins.append(
                    {"image": key, "part": part, "twin": holders[twin, earlier]}
                    | {"twin_part": earlier, "kind": kind}
                )
    return twins
