"""What is to be known about a labelled tree before anyone trains on it.

Files are decoded as ``erkt.data.prepare`` decodes them, so "unreadable" and "equal pixels" mean here what
they will mean in the pipeline. ``problems`` and ``cautions`` say what makes a tree unfit, and what a person
has to decide.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erkt.data.duplicates import Duplicates, find
from erkt.data.index import SUFFIXES, order_of
from erkt.data.tree import Tree, read_tree
from erkt.params.prepare import Prepare
from erkt.params.schema import as_dict

IMBALANCE = 5  # times the smallest class; beyond it overall accuracy says little about the small ones

_BEFORE = {"val": ("train",), "test": ("train", "val")}

Parts = Mapping[str, Sequence[tuple[str, int]]]


@dataclass(frozen=True)
class Facts:
    """What a tree holds; images are named by key, and counted if they are readable.

    ``classes``, ``sizes`` (``width``, ``height``, ``images``) and ``modes`` (Pillow's) count images.
    ``unreadable`` and ``refused`` map a file to the reason. ``copies`` are groups of equal files, ``equal``
    groups of equal pixels, ``conflicts`` those of them with more than one class. ``near`` has the pairs of
    near duplicates as ``erkt.data.duplicates`` describes them. ``parts`` has the number of listed images by
    part of a split, ``misplaced`` maps listed images to why they should not be; ``twins`` has ``image``,
    ``part``, ``twin``, ``twin_part`` and ``kind`` (equal or near) for each test or validation image and each
    earlier part that holds a twin of it.
    """

    path: str
    prepare: dict[str, Any]
    classes: dict[str, int]
    sizes: list[dict[str, int]]
    modes: dict[str, int]
    ignored: list[str]
    unreadable: dict[str, str]
    refused: dict[str, str]
    copies: list[list[str]]
    equal: list[list[str]]
    conflicts: list[list[str]]
    near: list[dict[str, Any]]
    parts: dict[str, int]
    misplaced: dict[str, str]
    twins: list[dict[str, str]]


def inspect(
    path: Path, settings: Prepare, parts: Parts, on_image: Callable[[int, int | None], None]
) -> Facts:
    """Return the facts on a folder of class folders or an archive, and on a split of it.

    ``parts`` has the ``(key, label)`` of each part of a split by its name (train, val, test), and is empty
    without one. ``on_image(done, None)`` is called after each image. Raises ErktError as ``read_tree`` does.
    """
    tree = read_tree(path, settings, on_image)
    keys = sorted(tree.scenes, key=order_of)
    scenes = [tree.scenes[key] for key in keys]
    found = find([scene.fingerprint for scene in scenes])
    equal = [[keys[place] for place in group] for group in found.equal]
    classes = _counted(_class_of(key) for key in keys)
    sizes = Counter((scene.width, scene.height) for scene in scenes).most_common()
    return Facts(
        path=str(path),
        prepare=as_dict(settings),
        classes=dict(sorted(classes.items())),
        sizes=[{"width": width, "height": height, "images": count} for (width, height), count in sizes],
        modes=_counted(scene.mode for scene in scenes),
        ignored=sorted(tree.ignored),
        unreadable=dict(sorted(tree.unreadable.items())),
        refused=dict(sorted(tree.refused.items())),
        copies=_copies(keys, tree),
        equal=equal,
        conflicts=[group for group in equal if _several_classes(group)],
        near=_near(keys, found),
        parts={part: len(listed) for part, listed in parts.items()},
        misplaced=_misplaced(parts, tree),
        twins=_twins(keys, found, parts),
    )


def problems(facts: Facts) -> list[str]:
    """Return what makes the tree unfit, one line each: training would stop, or its result would be wrong."""
    unfit: list[str] = []
    if facts.refused:
        unfit.append(f"files refused by name or place: {len(facts.refused)}; rename, move or remove them")
    if facts.unreadable and facts.prepare["undecodable"] == "refuse":
        unfit.append(
            f"unreadable files: {len(facts.unreadable)}; repair them, or set prepare.undecodable to skip"
        )
    lost = sorted({_class_of(key) for key in facts.unreadable} - set(facts.classes))
    unfit += [f"no image of the class {name!r} is readable" for name in lost]
    if len(facts.classes) < 2:
        unfit.append(
            f"class folders with images: {len(facts.classes)}, at least 2 are needed; images lie in a folder with "
            f"the name of their class, and end in {' '.join(SUFFIXES)}"
        )
    single = [name for name, count in facts.classes.items() if count == 1]
    unfit += [f"the class {name!r} has a single image, which cannot both train and test" for name in single]
    if facts.conflicts:
        unfit.append(
            f"label conflicts, equal pixels in more than one class: {len(facts.conflicts)}; keep one label each"
        )
    if facts.misplaced:
        unfit.append(f"wrongly listed images of the split: {len(facts.misplaced)}; split again")
    unfit += [
        f"leak, {part} images with equal pixels in {twin_part}: {count}; set split.group_duplicates to exact"
        for (part, twin_part, kind), count in twin_counts(facts).items()
        if kind == "equal"
    ]
    return unfit


def cautions(facts: Facts) -> list[str]:
    """Return what does not stop training but should be decided by a person, one line each."""
    doubts: list[str] = []
    if facts.unreadable and facts.prepare["undecodable"] == "skip":
        doubts.append(f"unreadable files that will be left out: {len(facts.unreadable)}")
    largest, smallest = max(facts.classes.values(), default=0), min(facts.classes.values(), default=0)
    if largest > IMBALANCE * smallest:
        doubts.append(
            f"the largest class has {largest / smallest:.1f} times the images of the smallest; judge by AA"
        )
    side = facts.prepare["side"]
    small = sum(size["images"] for size in facts.sizes if min(size["width"], size["height"]) < side)
    if small:
        doubts.append(f"images smaller than prepare.side ({side}), to be enlarged: {small}")
    oblong = sum(size["images"] for size in facts.sizes if size["width"] != size["height"])
    if oblong:
        doubts.append(
            f"images that are not square: {oblong}; prepare.non_square is {facts.prepare['non_square']}"
        )
    repeated = sum(len(group) - 1 for group in facts.equal)
    if repeated:
        doubts.append(f"images that repeat the pixels of another: {repeated}")
    if facts.near:
        across = sum(_several_classes([pair["first"], pair["second"]]) for pair in facts.near)
        doubts.append(f"pairs of near duplicates: {len(facts.near)}, of two classes: {across}")
    doubts += [
        f"{part} images with a near duplicate in {twin_part}: {count}; split.group_duplicates: near avoids it"
        for (part, twin_part, kind), count in twin_counts(facts).items()
        if kind == "near"
    ]
    return doubts


def twin_counts(facts: Facts) -> dict[tuple[str, str, str], int]:
    """Return how many images of a part have a twin in an earlier part, by (part, earlier part, kind)."""
    return dict(Counter((twin["part"], twin["twin_part"], twin["kind"]) for twin in facts.twins))


def _class_of(key: str) -> str:
    return order_of(key)[0]


def _several_classes(keys: Sequence[str]) -> bool:
    return len({_class_of(key) for key in keys}) > 1


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _copies(keys: Sequence[str], tree: Tree) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(tree.scenes[key].file_digest, []).append(key)
    return [group for group in groups.values() if len(group) > 1]


def _near(keys: Sequence[str], found: Duplicates) -> list[dict[str, Any]]:
    return [
        {"first": keys[pair.first], "second": keys[pair.second], "bits": pair.bits}
        | {"similarity": round(pair.similarity, 3), "orientation": pair.orientation}
        for pair in found.near
    ]


def _misplaced(parts: Parts, tree: Tree) -> dict[str, str]:
    wrong: dict[str, str] = {}
    classes = sorted({_class_of(key) for key in tree.scenes})
    labels = {name: label for label, name in enumerate(classes)}
    part_of: dict[str, str] = {}
    for part, listed in parts.items():
        for key, label in listed:
            if key not in tree.scenes:
                wrong[key] = f"listed in {part}, but unreadable or not there"
            elif label != labels[_class_of(key)]:
                wrong[key] = f"listed in {part} with label {label}, its class is {labels[_class_of(key)]}"
            elif part_of.setdefault(key, part) != part:
                wrong[key] = f"listed in {part_of[key]} and {part}"
    return wrong


def _twins(keys: Sequence[str], found: Duplicates, parts: Parts) -> list[dict[str, str]]:
    first = {place: group[0] for group in found.equal for place in group}
    original = {key: first.get(place, place) for place, key in enumerate(keys)}
    near: dict[int, list[int]] = {}
    for pair in found.near:
        near.setdefault(pair.first, []).append(pair.second)
        near.setdefault(pair.second, []).append(pair.first)
    holders: dict[tuple[int, str], str] = {}
    for part, listed in parts.items():
        for key, _ in listed:
            if key in original:
                holders.setdefault((original[key], part), key)
    twins: list[dict[str, str]] = []
    for part, earlier_parts in _BEFORE.items():
        for key, _ in parts.get(part, ()):
            for earlier in earlier_parts if key in original else ():
                places = [original[key], *near.get(original[key], ())]
                twin = next((place for place in places if (place, earlier) in holders), None)
                if twin is not None:
                    kind = "equal" if twin == original[key] else "near"
                    twins.append(
                        {"image": key, "part": part, "twin": holders[twin, earlier]}
                        | {"twin_part": earlier, "kind": kind}
                    )
    return twins
