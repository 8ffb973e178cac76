"""Which images train, which validate, which test, and which only the student sees, without a label.

Stratified by class and exact: a class's share is a fraction of its count, rounded so that the total is the
rounded share of all (largest remainder, also called Hamilton's method; ties go to the class that comes
first). Each class is shuffled on its own, over its sorted keys, and cut: validation, rest of the training
part, unlabelled, test. So the order of a listing changes nothing, another class reshuffles no class, a larger
training share contains a smaller one, as does a larger unlabelled share, the test part is the same with and
without validation, and an unlabelled part changes no other list but the test part's, which it is taken from.

Groups of duplicates are drawn whole. A group stands in the shuffle where its first image stands, in that
image's class, and is taken if each of its classes has room left for its members, else left to the next part.
So no class trains or validates more images than its share, and it falls short only if no ungrouped image is
left over: then by less than the size of each group, of that class alone, that went on to the next part. A
group of several classes counts in each with its members there. With groups a larger training share need not
contain a smaller one; the rest holds.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction

from erkt.data.index import NO_LABEL, order_of
from erkt.errors import ErktError
from erkt.params.split import Split
from erkt.seeds import stream

Unit = tuple[int, ...]
"""Positions that are drawn together, in key order: one image, or a group of duplicates."""


def split(
    keys: Sequence[str],
    labels: Sequence[int],
    settings: Split,
    seed: int,
    groups: Sequence[Sequence[int]] = (),
) -> dict[str, list[int]]:
    """Return positions in ``keys`` for ``train``, ``val``, ``unlabelled``, ``test``, each in key order.

    They are disjoint and complete. With ``train_percent`` t and ``val_percent`` v, ``round(N * t / 100)``
    images form the training part, of which ``round(... * v / 100)`` are ``val`` and the rest ``train``; with
    ``unlabelled_percent`` u, ``round(N * u / 100)`` of the others are ``unlabelled``. Percentages are the
    decimals that were written and ``round`` is Python's, so a half goes to the even neighbour. ``groups`` are
    disjoint sets of positions that stay in one part; ``settings.group_duplicates`` is not looked at here.

    Images whose label is ``NO_LABEL`` are all ``unlabelled``, and change no other part.

    Raises ErktError naming the class if one has no image left for a part that is not empty by ``settings``;
    a small class may have none in ``unlabelled``, but all of them may not.
    """
    if settings.train_percent is None:
        raise ErktError("split.train_percent is null, but there is no published split; set a percentage")
    known = [position for position, label in enumerate(labels) if label != NO_LABEL]
    shuffled = _shuffled(known, keys, labels, seed, groups)
    names = {labels[position]: order_of(keys[position])[0] for position in known}
    in_all = _count(shuffled, labels)
    trained, rest = _take(shuffled, labels, _shares(in_all, settings.train_percent))
    val, train = _take(trained, labels, _shares(_count(trained, labels), settings.val_percent))
    unlabelled, test = _take(rest, labels, _shares(in_all, settings.unlabelled_percent))
    parts = {"train": train, "val": val, "unlabelled": unlabelled, "test": test}
    counts = {part: _count(units, labels) for part, units in parts.items()}
    for label, name in sorted(names.items()):
        _check_counts(name, {part: counts[part][label] for part in parts}, settings, bool(groups))
    if settings.unlabelled_percent > 0 and not unlabelled:
        raise ErktError(
            f"no image of {len(keys)} is left for the unlabelled part; raise split.unlabelled_percent, "
            "or set it to 0"
        )
    parts["unlabelled"] += [(i,) for i, label in enumerate(labels) if label == NO_LABEL]
    return _in_key_order(parts, keys)


def as_published(
    keys: Sequence[str],
    labels: Sequence[int],
    part_of: Mapping[str, str],
    settings: Split,
    seed: int,
    groups: Sequence[Sequence[int]] = (),
) -> dict[str, list[int]]:
    """Return what ``split`` returns, for images that a publisher has divided: their test part stays whole.

    ``part_of`` has ``train``, ``val`` or ``test`` by key, for each image with a label; those without are
    ``unlabelled``. With ``val_percent`` the validation part is drawn from the training part, by ``seed``.

    Raises ErktError for an image without a part, a class without images in the training or the test part, or
    in the validation part if there is one, and for a ``val_percent`` beside a published validation part.
    """
    parts: dict[str, list[Unit]] = {"train": [], "val": [], "unlabelled": [], "test": []}
    for position, key in enumerate(keys):
        if labels[position] == NO_LABEL:
            parts["unlabelled"].append((position,))
        elif key in part_of:
            parts[part_of[key]].append((position,))
        else:
            raise ErktError(f"{key!r} is in no part of the published split; run download and prepare again")
    if settings.val_percent > 0:
        if parts["val"]:
            raise ErktError("split.val_percent: the published split has a validation part; set it to 0")
        trained = {position for (position,) in parts["train"]}
        inside = [group for group in (trained.intersection(group) for group in groups) if len(group) > 1]
        units = _shuffled(sorted(trained), keys, labels, seed, [sorted(group) for group in inside])
        shares = _shares(_count(units, labels), settings.val_percent)
        parts["val"], parts["train"] = _take(units, labels, shares)
    counts = {part: _count(units, labels) for part, units in parts.items()}
    for label, name in sorted({labels[i]: order_of(key)[0] for i, key in enumerate(keys)}.items()):
        for part in ("train", "test", *(["val"] if parts["val"] else [])) if label != NO_LABEL else ():
            if not counts[part][label]:
                raise ErktError(
                    f"the class {name!r} has no image in the {part} part of the published split; "
                    "correct dataset.parts, or drop the class"
                )
    return _in_key_order(parts, keys)


def torn(groups: Iterable[Iterable[int]], parts: Mapping[str, Iterable[int]]) -> int:
    """Return how many of ``groups`` of positions lie in several of ``parts``."""
    part_at = {place: part for part, positions in parts.items() for place in positions}
    return sum(len({part_at[place] for place in group if place in part_at}) > 1 for group in groups)


def _in_key_order(parts: Mapping[str, Sequence[Unit]], keys: Sequence[str]) -> dict[str, list[int]]:
    return {
        part: sorted((i for unit in units for i in unit), key=lambda i: order_of(keys[i]))
        for part, units in parts.items()
    }


def _shuffled(
    positions: Sequence[int],
    keys: Sequence[str],
    labels: Sequence[int],
    seed: int,
    groups: Sequence[Sequence[int]],
) -> list[Unit]:
    """Return labelled ``positions`` as units, class by class, each class in an order drawn from ``seed``."""
    by_class: dict[int, list[int]] = {}
    for position in sorted(positions, key=lambda i: order_of(keys[i])):
        by_class.setdefault(labels[position], []).append(position)
    group_of = {i: tuple(sorted(group, key=lambda i: order_of(keys[i]))) for group in groups for i in group}
    shuffled: list[Unit] = []
    for label in sorted(by_class):
        members = by_class[label]
        name = order_of(keys[members[0]])[0]
        order = [members[i] for i in stream(seed, "split", name).permutation(len(members))]
        units = [group_of.get(i, (i,)) for i in order]
        shuffled += [unit for unit, i in zip(units, order, strict=True) if unit[0] == i]
    return shuffled


def repeats(
    unlabelled: Collection[int], measured: Collection[int], groups: Sequence[Sequence[int]]
) -> set[int]:
    """Return those of ``unlabelled`` that share a group of duplicates with one of ``measured``.

    The student must not see what its accuracy is measured on. All are positions.
    """
    shared = (group for group in groups if any(position in measured for position in group))
    return {position for group in shared for position in group if position in unlabelled}


def _count(units: Sequence[Unit], labels: Sequence[int]) -> Counter[int]:
    return Counter(labels[i] for unit in units for i in unit)


def _take(
    units: Sequence[Unit], labels: Sequence[int], shares: dict[int, int]
) -> tuple[list[Unit], list[Unit]]:
    """Return the units that fit into ``shares``, images by label, when offered in turn, and the others."""
    room = dict(shares)
    taken: list[Unit] = []
    left: list[Unit] = []
    for unit in units:
        need = _count([unit], labels)
        fits = all(count <= room[label] for label, count in need.items())
        (taken if fits else left).append(unit)
        for label, count in need.items() if fits else ():
            room[label] -= count
    return taken, left


def _shares(counts: Counter[int], percent: float) -> dict[int, int]:
    """Return by label whole numbers near ``counts * percent / 100``; they sum to the sum's rounded share."""
    share = Fraction(repr(percent)) / 100  # the decimal as written: 33.3 is 333/10, not its nearest binary
    quotas = {label: counts[label] * share for label in sorted(counts)}
    shares = {label: int(quota) for label, quota in quotas.items()}
    missing = round(sum(quotas.values())) - sum(shares.values())
    by_remainder = sorted(quotas, key=lambda label: (shares[label] - quotas[label], label))
    for label in by_remainder[:missing]:
        shares[label] += 1
    return shares


_ADVICE = {
    "train": "raise split.train_percent or lower split.val_percent",
    "val": "raise split.val_percent or set it to 0",
    "test": "lower split.train_percent or split.unlabelled_percent",
}


def _check_counts(name: str, counts: dict[str, int], settings: Split, grouped: bool) -> None:
    for part, advice in _ADVICE.items():
        if counts[part] < 1 and (part != "val" or settings.val_percent > 0):
            ungroup = ", or set split.group_duplicates to none" if grouped else ""
            raise ErktError(
                f"the class {name!r} ({sum(counts.values())} in all) leaves no image for the {part} part; "
                f"add images, drop the class, or {advice}{ungroup}"
            )
