"""Which images train, which validate, which test.

Stratified by class and exact: a class's share is a fraction of its count, rounded so that the total is the
rounded share of all (largest remainder, also called Hamilton's method; ties go to the class that comes
first). Each class is shuffled on its own, over its sorted keys, and cut: validation, rest of the training
part, test. So the order of a listing changes nothing, another class reshuffles no class, a larger training
share contains a smaller one, and the test part is the same with and without validation.
"""

from collections.abc import Sequence
from fractions import Fraction

from erkt.data.index import order_of
from erkt.errors import ErktError
from erkt.params.split import Split
from erkt.seeds import stream


def split(keys: Sequence[str], labels: Sequence[int], settings: Split, seed: int) -> dict[str, list[int]]:
    """Return positions in ``keys`` for ``train``, ``val``, ``test``: disjoint, complete, each in key order.

    With ``train_percent`` t and ``val_percent`` v, ``round(N * t / 100)`` images form the training part, of
    which ``round(... * v / 100)`` are ``val`` and the rest ``train``. Percentages are taken as the decimals
    that were written and ``round`` is Python's, so a half goes to the even neighbour.

    Raises ErktError naming the class if one has no image left for a part that is not empty by ``settings``.
    """
    by_class: dict[int, list[int]] = {}
    for position in sorted(range(len(keys)), key=lambda i: order_of(keys[i])):
        by_class.setdefault(labels[position], []).append(position)
    order = sorted(by_class)
    members = [by_class[label] for label in order]
    trained = _largest_remainder([len(positions) for positions in members], settings.train_percent)
    validated = _largest_remainder(trained, settings.val_percent)
    parts: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for positions, train, val in zip(members, trained, validated, strict=True):
        name = order_of(keys[positions[0]])[0]
        counts = {"train": train - val, "val": val, "test": len(positions) - train}
        _check_counts(name, counts, settings)
        shuffled = [positions[i] for i in stream(seed, "split", name).permutation(len(positions))]
        parts["val"] += shuffled[:val]
        parts["train"] += shuffled[val:train]
        parts["test"] += shuffled[train:]
    return {part: sorted(chosen, key=lambda i: order_of(keys[i])) for part, chosen in parts.items()}


def _largest_remainder(counts: list[int], percent: float) -> list[int]:
    """Return whole numbers near ``counts * percent / 100`` whose sum is the rounded share of the sum."""
    share = Fraction(repr(percent)) / 100  # the decimal as written: 33.3 is 333/10, not its nearest binary
    quotas = [count * share for count in counts]
    floors = [int(quota) for quota in quotas]
    missing = round(sum(quotas)) - sum(floors)
    by_remainder = sorted(range(len(counts)), key=lambda i: (floors[i] - quotas[i], i))
    for i in by_remainder[:missing]:
        floors[i] += 1
    return floors


_ADVICE = {
    "train": "raise split.train_percent or lower split.val_percent",
    "val": "raise split.val_percent or set it to 0",
    "test": "lower split.train_percent",
}


def _check_counts(name: str, counts: dict[str, int], settings: Split) -> None:
    for part, count in counts.items():
        if count < 1 and (part != "val" or settings.val_percent > 0):
            raise ErktError(
                f"the class {name!r} ({sum(counts.values())} in all) leaves no image for the {part} part; "
                f"add images, drop the class, or {_ADVICE[part]}"
            )
