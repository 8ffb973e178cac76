import hashlib
import io
import itertools
import random
from collections import Counter
from pathlib import Path
from typing import Literal
from unittest.mock import Mock

import numpy as np
import pytest
from packed import ignore, refused, write, zip_of
from PIL import Image

import stages.split
from erkt.data.lists import read_list, write_list
from erkt.data.parts import table_of
from erkt.data.prepare import prepare
from erkt.data.splits import split
from erkt.params.prepare import Prepare
from erkt.params.split import Split
from erkt.scenes import render


def listing(counts: list[int]) -> tuple[list[str], list[int]]:
    """Return keys and labels of classes c00, c01, ... with so many images each."""
    pairs = [(f"c{label:02}/{i}.jpg", label) for label, count in enumerate(counts) for i in range(count)]
    return [key for key, _ in pairs], [label for _, label in pairs]


def chosen(counts: list[int], train: float, val: float = 0.0, seed: int = 0) -> dict[str, list[str]]:
    keys, labels = listing(counts)
    return {
        part: [keys[i] for i in at]
        for part, at in split(keys, labels, Split(train, val, "none", 0.0), seed).items()
    }


def per_class(keys: list[str], classes: int) -> list[int]:
    found = Counter(key.split("/")[0] for key in keys)
    return [found[f"c{label:02}"] for label in range(classes)]


def seats(counts: list[int], numerator: int, denominator: int) -> list[int]:
    """Hamilton's method in whole numbers: hand out seats one by one to the largest remainder, first come."""
    total, half = divmod(2 * sum(counts) * numerator, 2 * denominator)
    total += half > denominator or (half == denominator and total % 2 == 1)
    given = [count * numerator // denominator for count in counts]
    remainders = [count * numerator % denominator for count in counts]
    while sum(given) < total:
        best = remainders.index(max(remainders))
        given[best] += 1
        remainders[best] = -1
    return given


IMBALANCED = [220, 420, 333, 7, 51, 100, 99, 10]


@pytest.mark.parametrize(
    ("percent", "fraction"), [(20.0, (20, 100)), (33.3, (333, 1000)), (66.67, (6667, 10_000))]
)
@pytest.mark.parametrize("val", [0.0, 12.5, 33.3])
@pytest.mark.parametrize(
    "counts", [[100] * 30, [700] * 45, IMBALANCED, [3, 3, 3], [10, 11, 12, 13, 14, 15, 16]]
)
def test_every_class_gets_the_seats_of_the_largest_remainder(
    counts: list[int], percent: float, fraction: tuple[int, int], val: float
) -> None:
    trained = seats(counts, *fraction)
    validated = seats(trained, round(val * 10), 1000)
    train = [all_ - part for all_, part in zip(trained, validated, strict=True)]
    if min(train) < 1 or (val and min(validated) < 1):
        assert "leaves no image for the" in refused(chosen, counts, percent, val)
        return
    parts = chosen(counts, percent, val)
    assert per_class(parts["val"], len(counts)) == validated
    assert per_class(parts["train"], len(counts)) == train
    assert abs(sum(trained) - sum(counts) * percent / 100) <= 0.5


def test_rounding_and_order_are_those_of_the_written_decimals_and_the_classes() -> None:
    assert per_class(chosen([3, 3, 3], 50.0)["train"], 3) == [2, 1, 1]  # 4.5 in all: 4, the even neighbour
    assert per_class(chosen([5, 5, 5], 50.0)["train"], 3) == [3, 3, 2]  # 7.5 in all: 8; ties to the first
    # 32.3 % of 500 is 161.5, so 162; in binary floating point it is less than that.
    assert round(500 * 32.3 / 100) == 161
    assert len(chosen([250, 250], 32.3)["train"]) == 162
    keys = ["b c/1.jpg", "b/1.jpg", "b c/0.jpg", "b/0.jpg"]
    parts = split(keys, [1, 0, 1, 0], Split(50.0, 0.0, "none", 0.0), 0)
    assert [keys[i].split("/")[0] for i in parts["train"]] == ["b", "b c"]


def test_another_class_before_the_others_reshuffles_none_of_them() -> None:
    keys, labels = listing([30, 40])
    alone = chosen([30, 40], 50.0, 20.0)
    more = [f"a/{i}.jpg" for i in range(10)] + keys
    parts = split(more, [0] * 10 + [label + 1 for label in labels], Split(50.0, 20.0, "none", 0.0), 0)
    for part, at in parts.items():
        assert [more[i] for i in at if not more[i].startswith("a/")] == alone[part]


def test_shares_and_seeds_relate_as_promised() -> None:
    small, large, validated = chosen([50, 70], 20.0), chosen([50, 70], 40.0), chosen([50, 70], 40.0, 25.0)
    assert set(small["train"]) < set(large["train"])
    assert large["test"] == validated["test"]
    assert sorted(validated["train"] + validated["val"]) == large["train"]
    assert chosen([50, 70], 40.0) == large != chosen([50, 70], 40.0, seed=1)


def test_images_are_drawn_evenly_and_classes_independently() -> None:
    hits = [0] * 20
    together = 0
    for seed in range(400):
        train = set(chosen([20, 20], 50.0, seed=seed)["train"])
        for i in range(20):
            hits[i] += f"c00/{i}.jpg" in train
        together += ("c00/0.jpg" in train) == ("c01/0.jpg" in train)
    assert all(abs(count - 200) < 50 for count in [*hits, together])  # five standard deviations


@pytest.mark.parametrize(
    ("counts", "train", "val", "words"),
    [
        ([50, 1], 40.0, 0.0, ["'c01' (1 in all)", "train part", "raise split.train_percent"]),
        ([50, 2], 10.0, 0.0, ["'c01' (2 in all)", "train part", "raise split.train_percent"]),
        ([50, 1], 90.0, 0.0, ["'c01' (1 in all)", "test part", "lower split.train_percent"]),
        ([50, 4], 50.0, 10.0, ["'c01' (4 in all)", "val part", "raise split.val_percent"]),
        ([50, 2], 50.0, 90.0, ["'c01' (2 in all)", "train part", "lower split.val_percent"]),
    ],
)
def test_a_class_that_a_part_would_lack_is_named_with_what_to_change(
    counts: list[int], train: float, val: float, words: list[str]
) -> None:
    message = refused(chosen, counts, train, val)
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("counts", "train", "val", "seed", "digests"),
    [
        ([220, 420, 333, 51, 100, 99], 33.3, 12.5, 7, "beb1ebef31e505a0 865b74f267f73bb3 ec588fc5350d4ffb"),
        ([100] * 30, 20.0, 0.0, 0, "f030269c8eff72ee e3b0c44298fc1c14 e5871989d050afd1"),
        ([150] * 14, 60.0, 10.0, 0, "17db34e6ac6384ed a60b6d2ba81a0ea0 03a8b45e09a01017"),
        (IMBALANCED, 50.0, 40.0, 3, "7659816c24d4cd20 f144fb113c3ae57d 93b5e78801bb7fee"),
    ],
)
def test_lists_without_groups_are_those_of_the_first_release(
    counts: list[int], train: float, val: float, seed: int, digests: str
) -> None:
    keys, labels = listing(counts)
    parts = split(keys, labels, Split(train, val, "none", 0.0), seed)
    text = {part: "".join(f"{keys[i]}\t{labels[i]}\n" for i in at) for part, at in parts.items()}
    found = [hashlib.sha256(text[part].encode()).hexdigest()[:16] for part in ("train", "val", "test")]
    assert found == digests.split()


# ---------------------------------------------------------------- groups


def random_groups(count: int, random_: random.Random, share: float) -> list[list[int]]:
    """Return disjoint groups of 2 to 6 positions that hold about ``share`` of them, of any classes."""
    free = random_.sample(range(count), round(count * share))
    groups = []
    while len(free) > 1:
        size = random_.randint(2, 6)
        groups.append([free.pop() for _ in range(min(size, len(free)))])
    return [group for group in groups if len(group) > 1]


@pytest.mark.parametrize("case", range(20))
def test_groups_stay_whole_and_every_share_is_kept_to_the_bound(case: int) -> None:
    random_ = random.Random(case)
    counts = [random_.randint(20, 80) for _ in range(random_.randint(2, 6))]
    keys, labels = listing(counts)
    groups = random_groups(len(keys), random_, random_.choice([0.2, 0.6, 1.0]))
    train, val = random_.choice([(50, 0), (40, 25), (60, 50)])
    parts = split(keys, labels, Split(train, val, "near", 0.0), case, groups)
    assert sorted(i for at in parts.values() for i in at) == list(range(len(keys)))
    part_of = {i: part for part, at in parts.items() for i in at}
    assert all(len({part_of[i] for i in group}) == 1 for group in groups)

    unit_of = {i: tuple(group) for group in groups for i in group}
    trained = [sum(labels[i] == label for i in parts["train"] + parts["val"]) for label in range(len(counts))]
    for wanted, taken, left in [
        (seats(counts, train, 100), parts["train"] + parts["val"], parts["test"]),
        (seats(trained, val, 100), parts["val"], parts["train"]),
    ]:
        for label, share in enumerate(wanted):
            missing = share - sum(labels[i] == label for i in taken)
            own = [unit_of.get(i, (i,)) for i in left if labels[i] == label]
            sizes = [len(unit) for unit in own if {labels[i] for i in unit} == {label}]
            assert 0 <= missing < min(sizes, default=share + 1)


def test_a_group_of_two_classes_counts_in_each() -> None:
    keys, labels = listing([4, 4])
    pairs = [[i, i + 4] for i in range(4)]  # nothing but pairs across the classes
    for seed in range(10):
        parts = split(keys, labels, Split(50, 0, "exact", 0.0), seed, pairs)
        assert per_class([keys[i] for i in parts["train"]], 2) == [2, 2]


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_neither_the_order_of_the_listing_nor_of_the_groups_changes_anything(share: float) -> None:
    keys, labels = listing([30, 41, 52])
    random_ = random.Random(1)
    groups = random_groups(len(keys), random_, share)
    settings = Split(40.0, 25.0, "near", 0.0)
    plain = split(keys, labels, settings, 0, groups)
    expected = {part: [keys[i] for i in at] for part, at in plain.items()}
    assert all(names == sorted(names) for names in expected.values())
    assert split(keys, labels, Split(40.0, 0, "near", 0.0), 0, groups)["test"] == plain["test"]
    order = list(range(len(keys)))
    random_.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    moved = [random_.sample([place[i] for i in group], len(group)) for group in groups]
    random_.shuffle(moved)
    parts = split([keys[i] for i in order], [labels[i] for i in order], settings, 0, moved)
    assert {part: [keys[order[i]] for i in at] for part, at in parts.items()} == expected


def test_grouped_images_train_as_often_as_others() -> None:
    keys, labels = listing([40])
    groups = [[i, i + 1] for i in range(0, 20, 2)]
    hits = [0, 0]
    for seed in range(300):
        train = split(keys, labels, Split(50, 0, "near", 0.0), seed, groups)["train"]
        hits[0] += sum(i < 20 for i in train)
        hits[1] += sum(i >= 20 for i in train)
    assert sum(hits) == 300 * 20
    assert abs(hits[0] - hits[1]) < 0.05 * sum(hits)


def test_a_group_too_large_for_a_part_names_the_class_and_the_setting() -> None:
    keys, labels = listing([20, 6])
    message = refused(split, keys, labels, Split(40, 0, "near", 0.0), 0, [list(range(20, 26))])
    assert message.startswith("the class 'c01' (6 in all) leaves no image for the train part")
    assert message.endswith("or set split.group_duplicates to none")


# ---------------------------------------------------------------- the stage


def scene(name: str, index: int, quality: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(render(name, 0, index, 64))).save(out, "JPEG", quality=quality)
    return out.getvalue()


@pytest.mark.parametrize(("kind", "count"), [("none", 0), ("exact", 1), ("near", 20)])
def test_the_stage_keeps_together_what_the_setting_names(
    kind: Literal["none", "exact", "near"], count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty scenes, each saved in two qualities, and one of them a third time as it is."""
    scenes = itertools.product(("beach", "viaduct"), range(10), (50, 90))
    files = {f"{name}/{index}-{quality}.jpg": scene(name, index, quality) for name, index, quality in scenes}
    files["viaduct/copy.jpg"] = files["viaduct/9-50.jpg"]
    recipe = Prepare(side=64, filter="bicubic", non_square="squash", undecodable="refuse")
    prepare(write(tmp_path / "raw.zip", zip_of(files)), tmp_path / "data/prepared", recipe, ignore)
    monkeypatch.chdir(tmp_path)
    job = Mock(seed=0)
    job.settings.return_value = Split(50.0, 0.0, kind, 0.0)
    line = stages.split.main(job)
    assert (f", {count} groups of duplicates kept together" in line) == (count > 0)
    parts = ("train", "val", "test")
    part_of = {key: part for part in parts for key, _ in read_list(Path(f"data/splits/0/{part}.txt"))}
    assert part_of.keys() == files.keys()
    torn = [key for key in files if part_of[key] != part_of[key.replace("-50", "-90")]]
    assert (torn == []) == (kind == "near")
    assert kind == "none" or part_of["viaduct/9-50.jpg"] == part_of["viaduct/copy.jpg"]


def test_duplicates_that_a_published_split_tears_apart_are_not_called_kept_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays as it was published; one pair lies in its training part, and one is trained and tested."""
    files = {
        f"{name}/{index}.jpg": scene(name, index, 90) for name in ("beach", "viaduct") for index in range(4)
    }
    files |= {"beach/twin.jpg": files["beach/0.jpg"], "viaduct/twin.jpg": files["viaduct/0.jpg"]}
    tested = {"beach/3.jpg", "viaduct/3.jpg", "viaduct/twin.jpg"}
    recipe = Prepare(side=64, filter="bicubic", non_square="squash", undecodable="refuse")
    prepare(write(tmp_path / "raw.zip", zip_of(files)), tmp_path / "data/prepared", recipe, ignore)
    published = table_of({key: "test" if key in tested else "train" for key in files})
    (tmp_path / "data/prepared/parts.csv").write_text(published)
    monkeypatch.chdir(tmp_path)
    job = Mock(seed=0)
    job.settings.return_value = Split(50.0, 0.0, "exact", 0.0)
    line = stages.split.main(job)
    assert line.endswith(", 1 groups of duplicates kept together")
    job.warn.assert_called_once_with(
        "1 groups of duplicates lie in several published parts, which stay as they are"
    )
    assert {key for key, _ in read_list(Path("data/splits/0/test.txt"))} == tested


# ---------------------------------------------------------------- lists


def test_a_list_comes_back_as_it_was_written(tmp_path: Path) -> None:
    rows = [("a b/ü 1.jpg", 0), ("a b/ 2 .jpg", 0), ("c/x,y.jpg", 12)]
    for some, text in (rows, "a b/ü 1.jpg\t0\na b/ 2 .jpg\t0\nc/x,y.jpg\t12\n"), ([], ""):
        write_list(tmp_path / "train.txt", [key for key, _ in some], [label for _, label in some])
        assert (tmp_path / "train.txt").read_bytes().decode() == text
        assert read_list(tmp_path / "train.txt") == some


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a/1.jpg\t0\na/2.jpg 0\n", ":2: "),
        ("a/1.jpg\t0\n\na/2.jpg\t0\n", ":2: "),
        ("a/1.jpg\t\n", ":1: "),
        ("a/1.jpg\tx\n", ":1: "),
        ("a/1.jpg\t-1\n", ":1: "),
        ("a/1.jpg\t٣\n", ":1: "),
        ("a/1.jpg\t0\t1\n", ":1: "),
        ("a/1.jpg\t0\r\n", ":1: "),
        ("1.jpg\t0\n", ":1: "),
        ("/1.jpg\t0\n", ":1: "),
        ("a/\t0\n", ":1: "),
        ("a/1.jpg\t0\nb/1.jpg\t1\na/1.jpg\t0\n", ":3: "),
        ("a/1.jpg\t0\na/2.jpg\t1", ":2: the last line is cut"),
        ("a/\udcff.jpg\t0\n", ": not readable"),
        (None, ": no such file"),
    ],
)
def test_a_list_of_another_form_is_named_by_file_and_line(
    tmp_path: Path, text: str | None, where: str
) -> None:
    if text is not None:
        (tmp_path / "train.txt").write_bytes(text.encode(errors="surrogateescape"))
    assert refused(read_list, tmp_path / "train.txt").startswith(f"{tmp_path / 'train.txt'}{where}")
