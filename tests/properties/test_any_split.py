"""Splits: whatever the counts, percents, seed and groups, the parts are exact, or one line says why not."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from any_params import blocks
from hypothesis import assume, given
from hypothesis import strategies as st

from erkt.data.index import NO_LABEL, UNLABELLED
from erkt.data.splits import as_published, split
from erkt.errors import ErktError
from erkt.params.schema import build
from erkt.params.split import Split

PARTS = ["train", "val", "unlabelled", "test"]
COUNTS = st.lists(st.integers(1, 40), min_size=1, max_size=5)
SEEDS = st.integers(0, 2**63 - 1)
PERCENTS = st.decimals(0, 99, places=1).map(float) | st.floats(0.001, 99.9)


@st.composite
def settings(draw: st.DrawFn) -> Split:
    train, val, unlabelled = draw(PERCENTS), draw(st.just(0.0) | PERCENTS), draw(st.just(0.0) | PERCENTS)
    assume(train > 0 and train + unlabelled < 100)
    return Split(train, val, draw(st.sampled_from(["none", "exact", "near"])), unlabelled)


def listing(counts: Sequence[int], unlabelled: int, shuffle: random.Random) -> tuple[list[str], list[int]]:
    """Return keys and labels of classes c0, c1, ..., and of images of no class, in any order."""
    pairs = [(f"c{label}/{place}.png", label) for label, count in enumerate(counts) for place in range(count)]
    pairs += [(f"{UNLABELLED}/{place}.png", NO_LABEL) for place in range(unlabelled)]
    shuffle.shuffle(pairs)
    return [key for key, _ in pairs], [label for _, label in pairs]


def seats(counts: Sequence[int], percent: float) -> list[int]:
    """Return the share of each class by the largest remainder, the first of equals first."""
    quotas = [count * Fraction(repr(percent)) / 100 for count in counts]
    given_ = [int(quota) for quota in quotas]
    for _ in range(round(sum(quotas)) - sum(given_)):
        remainders = [quota - seats for quota, seats in zip(quotas, given_, strict=True)]
        given_[remainders.index(max(remainders))] += 1
    return given_


def by_class(keys: Sequence[str], part: Sequence[int], classes: int) -> list[int]:
    found = Counter(keys[place].split("/")[0] for place in part)
    return [found[f"c{label}"] for label in range(classes)]


def divided(how: Callable[..., dict[str, list[int]]], *arguments: Any) -> dict[str, list[int]] | str:
    """Return the parts, or the one line with which they are refused."""
    try:
        return how(*arguments)
    except ErktError as error:
        (line,) = str(error).splitlines()
        return line


@given(COUNTS, st.integers(0, 5), settings(), SEEDS, st.randoms(use_true_random=False))
def test_parts_are_disjoint_complete_and_of_the_stated_sizes(
    counts: list[int], more: int, wanted: Split, seed: int, shuffle: random.Random
) -> None:
    keys, labels = listing(counts, more, shuffle)
    parts = divided(split, keys, labels, wanted, seed)
    trained, unlabelled = (
        seats(counts, float(wanted.train_percent or 0)),
        seats(counts, wanted.unlabelled_percent),
    )
    val = seats(trained, wanted.val_percent)
    sizes = {
        "train": [all_ - some for all_, some in zip(trained, val, strict=True)],
        "val": val,
        "unlabelled": unlabelled,
        "test": [count - a - b for count, a, b in zip(counts, trained, unlabelled, strict=True)],
    }
    needed = ["train", "test", *(["val"] if wanted.val_percent else [])]
    if isinstance(parts, str):
        none_left = wanted.unlabelled_percent > 0 and not sum(unlabelled)
        assert none_left or any(min(sizes[part]) < 1 for part in needed), parts
        return
    assert list(parts) == PARTS
    assert sorted(place for part in parts.values() for place in part) == list(range(len(keys)))
    assert {part: by_class(keys, at, len(counts)) for part, at in parts.items()} == sizes
    assert all(min(sizes[part]) > 0 for part in needed)
    known = {labels[place] for part in ("train", "val", "test") for place in parts[part]}
    assert NO_LABEL not in known
    again, labels_again = listing(counts, more, shuffle)
    same = split(again, labels_again, wanted, seed)
    assert {part: [again[i] for i in at] for part, at in same.items()} == {
        part: [keys[i] for i in at] for part, at in parts.items()
    }


@given(COUNTS, settings(), SEEDS, st.randoms(use_true_random=False), st.floats(0, 1))
def test_groups_stay_whole_and_no_part_has_more_than_its_share(
    counts: list[int], wanted: Split, seed: int, shuffle: random.Random, share: float
) -> None:
    keys, labels = listing(counts, 0, shuffle)
    free = shuffle.sample(range(len(keys)), round(share * len(keys)))
    groups = []
    while len(free) > 1:
        size = shuffle.randint(2, 6)
        groups.append(free[:size])
        free = free[size:]
    parts = divided(split, keys, labels, wanted, seed, groups)
    assume(not isinstance(parts, str))
    part_of = {place: part for part, at in parts.items() for place in at}
    assert sorted(part_of) == list(range(len(keys)))
    assert [group for group in groups if len({part_of[place] for place in group}) > 1] == []
    trained = by_class(keys, [*parts["train"], *parts["val"]], len(counts))
    for found, most in (
        (trained, seats(counts, float(wanted.train_percent or 0))),
        (by_class(keys, parts["val"], len(counts)), seats(trained, wanted.val_percent)),
        (by_class(keys, parts["unlabelled"], len(counts)), seats(counts, wanted.unlabelled_percent)),
    ):
        assert all(taken <= seats_ for taken, seats_ in zip(found, most, strict=True))


@given(COUNTS, st.integers(0, 3), blocks(Split), SEEDS, st.randoms(use_true_random=False), st.booleans())
def test_a_published_split_is_taken_as_it_is_or_refused_in_one_line(
    counts: list[int], more: int, drawn: dict[str, Any], seed: int, shuffle: random.Random, has_val: bool
) -> None:
    drawn |= {"train_percent": None, "unlabelled_percent": 0}
    wanted = build(Split, drawn, "split")
    keys, labels = listing(counts, more, shuffle)
    names = ["train", "test", *(["val"] if has_val else [])]
    part_of = {
        key: shuffle.choice(names) for key, label in zip(keys, labels, strict=True) if label != NO_LABEL
    }
    parts = divided(as_published, keys, labels, part_of, wanted, seed)
    assume(not isinstance(parts, str))
    assert sorted(place for part in parts.values() for place in part) == list(range(len(keys)))
    found = {keys[place]: part for part, at in parts.items() for place in at}
    drawn_from_training = {key for key, part in part_of.items() if found[key] != part}
    assert all(part_of[key] == "train" and found[key] == "val" for key in drawn_from_training)
    assert not (drawn_from_training and not wanted.val_percent)
    assert {key for key, part in found.items() if part == "unlabelled"} == set(keys) - set(part_of)
