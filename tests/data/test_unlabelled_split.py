"""The unlabelled part: how it is drawn, that its list has no labels, and what training makes of it."""

import io
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from packed import ignore, refused, write, zip_of
from PIL import Image
from test_splits import IMBALANCED, listing, per_class, random_groups, seats

import stages.split
from erkt.data.images import open_parts, open_training
from erkt.data.lists import read_list, read_unlabelled, write_unlabelled
from erkt.data.prepare import prepare
from erkt.data.splits import split
from erkt.params.prepare import Prepare
from erkt.params.split import Split

OFF = Split(20.0, 25.0, "none", 0.0)


@pytest.mark.parametrize("percent", [10.0, 33.3, 55.0])
@pytest.mark.parametrize("counts", [[100] * 30, [220, 420, 333, 51, 100, 99], [40, 41, 42, 43, 44]])
@pytest.mark.parametrize("seed", [0, 7])
def test_it_is_a_stratified_share_of_all_images_out_of_the_test_part(
    counts: list[int], percent: float, seed: int
) -> None:
    keys, labels = listing(counts)
    without = split(keys, labels, OFF, seed)
    parts = split(keys, labels, replace(OFF, unlabelled_percent=percent), seed)
    assert without["unlabelled"] == []
    assert (parts["train"], parts["val"]) == (without["train"], without["val"])
    assert sorted(parts["unlabelled"] + parts["test"]) == sorted(without["test"])
    assert not set(parts["unlabelled"]) & set(parts["test"])
    drawn = per_class([keys[i] for i in parts["unlabelled"]], len(counts))
    assert drawn == seats(counts, round(percent * 10), 1000)


def test_a_larger_share_contains_a_smaller_one_and_the_seed_draws_it() -> None:
    keys, labels = listing([50, 70])
    small, large = (split(keys, labels, replace(OFF, unlabelled_percent=u), 0) for u in (20.0, 50.0))
    assert set(small["unlabelled"]) < set(large["unlabelled"])
    assert split(keys, labels, replace(OFF, unlabelled_percent=20.0), 1)["unlabelled"] != small["unlabelled"]


@pytest.mark.parametrize("case", range(10))
def test_groups_stay_whole_in_it(case: int) -> None:
    random_ = random.Random(case)
    counts = [random_.randint(30, 80) for _ in range(random_.randint(2, 6))]
    keys, labels = listing(counts)
    groups = random_groups(len(keys), random_, random_.choice([0.2, 0.6]))
    settings = replace(OFF, train_percent=30.0, group_duplicates="near")
    without = split(keys, labels, settings, case, groups)
    parts = split(keys, labels, replace(settings, unlabelled_percent=30.0), case, groups)
    assert (parts["train"], parts["val"]) == (without["train"], without["val"])
    assert sorted(i for at in parts.values() for i in at) == list(range(len(keys)))
    part_of = {i: part for part, at in parts.items() for i in at}
    assert all(len({part_of[i] for i in group}) == 1 for group in groups)
    drawn, wanted = Counter(labels[i] for i in parts["unlabelled"]), seats(counts, 30, 100)
    assert all(wanted[label] - 6 < drawn[label] <= wanted[label] for label in range(len(counts)))


def test_a_small_class_may_lack_in_it_but_not_in_the_test_part_and_it_is_not_empty() -> None:
    keys, labels = listing(IMBALANCED)
    parts = split(keys, labels, Split(50.0, 0.0, "none", 2.0), 0)
    assert per_class([keys[i] for i in parts["unlabelled"]], 8)[3] == 0
    keys, labels = listing([10, 10])
    assert "is left for the unlabelled part" in refused(split, keys, labels, Split(50.0, 0.0, "none", 1.0), 0)
    few = refused(split, *listing([400, 4]), Split(50.0, 0.0, "none", 49.0), 0)
    assert few.startswith("the class 'c01' (4 in all) leaves no image for the test part")
    assert "split.unlabelled_percent" in few


# ---------------------------------------------------------------- its list


def test_its_list_has_keys_and_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "unlabelled.txt"
    for keys, text in ((["a b/ü 1.jpg", "c/x,y.jpg"], "a b/ü 1.jpg\nc/x,y.jpg\n"), ([], "")):
        write_unlabelled(path, keys)
        assert path.read_bytes().decode() == text
        assert read_unlabelled(path) == [(key, -1) for key in keys]
    write_unlabelled(path, ["a/1.jpg"])
    assert "expected class/filename and a tab and a label" in refused(read_list, path)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a/1.jpg\na/2.jpg\t0\n", ":2: expected class/filename and no label"),
        ("a/1.jpg\t\n", ":1: "),
        ("a/1.jpg\n\n", ":2: "),
        ("1.jpg\n", ":1: "),
        ("a/1.jpg\nb/1.jpg\na/1.jpg\n", ":3: 'a/1.jpg' is there twice"),
        ("a/1.jpg\na/2.jpg", ":2: the last line is cut"),
        ("a/\udcff.jpg\n", ": not readable"),
        (None, ": no such file"),
    ],
)
def test_a_list_of_another_form_is_named(tmp_path: Path, text: str | None, where: str) -> None:
    path = tmp_path / "unlabelled.txt"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    assert refused(read_unlabelled, path).startswith(f"{path}{where}")


# ---------------------------------------------------------------- what the student is distilled on


def noise(index: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    files = {f"{name}/{i}.png": noise(10 * place + i) for place, name in enumerate("ab") for i in range(4)}
    settings = Prepare(8, "box", "squash", "refuse")
    prepare(write(tmp_path / "raw.zip", zip_of(files)), tmp_path / "prepared", settings, ignore)
    return tmp_path / "prepared"


def lists(folder: Path, **texts: str) -> list[Path]:
    return [write(folder / f"{name}.txt", text.encode()) for name, text in texts.items()]


def test_the_training_part_is_the_labelled_images_and_then_the_others(prepared: Path, tmp_path: Path) -> None:
    paths = lists(tmp_path, train="a/1.png\t0\nb/3.png\t1\n", none="b/0.png\na/0.png\n", val="a/2.png\t0\n")
    whole, val = open_training(prepared, *paths)
    assert whole.keys == ("a/1.png", "b/3.png", "b/0.png", "a/0.png")
    assert whole.labels.tolist() == [0, 1, -1, -1]
    assert whole.unlabelled == 2
    assert len(whole) == 4
    everything = open_parts(prepared, *lists(tmp_path, all="b/0.png\t1\na/0.png\t0\n"))[0]
    np.testing.assert_array_equal(whole.pixels([2, 3]), everything.pixels([0, 1]))
    assert (val.keys, val.unlabelled) == (("a/2.png",), 0)


def test_its_digest_is_that_of_both_lists_and_without_unlabelled_ones_of_the_first(
    prepared: Path, tmp_path: Path
) -> None:
    def digest(train: str, unlabelled: str) -> str:
        (part,) = open_training(prepared, *lists(tmp_path, train=train, unlabelled=unlabelled))
        return part.list_sha256

    one, other = "a/1.png\t0\n", "a/1.png\t0\nb/1.png\t1\n"
    plain = open_parts(prepared, *lists(tmp_path, train=one))[0]
    assert digest(one, "") == plain.list_sha256
    found = {
        digest(*texts) for texts in [(one, ""), (one, "b/0.png\n"), (other, "b/0.png\n"), (one, "b/2.png\n")]
    }
    assert len(found) == 4


def test_an_image_in_both_lists_or_in_none_of_the_index_is_refused(prepared: Path, tmp_path: Path) -> None:
    def reason(unlabelled: str) -> str:
        train = "a/1.png\t0\na/2.png\t0\n"
        return refused(open_training, prepared, *lists(tmp_path, train=train, unlabelled=unlabelled))

    assert reason("a/2.png\nb/2.png\n") == "'a/2.png' is in the training and the unlabelled list; split again"
    assert "the list names 'a/9.png', which is not among" in reason("a/9.png\n")


# ---------------------------------------------------------------- the stage


@pytest.mark.parametrize("kind", ["none", "exact", "near"])
def test_the_stage_writes_it_and_says_where_nothing_was_looked_at(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every image is there twice, so one looked at alone would leave many torn pairs."""
    files = {
        f"{name}/{i}-{j}.png": noise(100 * place + i)
        for place, name in enumerate("ab")
        for i in range(20)
        for j in "xy"
    }
    settings = Prepare(8, "box", "squash", "refuse")
    prepare(write(tmp_path / "raw.zip", zip_of(files)), tmp_path / "data/prepared", settings, ignore)
    monkeypatch.chdir(tmp_path)
    job = Mock(seed=0)
    job.settings.return_value = Split(30.0, 0.0, kind, 30.0)
    line = stages.split.main(job)
    assert "24 train, 0 validation, 32 test, 24 unlabelled" in line
    assert [call.args[0] for call in job.warn.call_args_list] == [
        "split.group_duplicates is none: nobody looked whether unlabelled images repeat test images"
    ] * (kind == "none")
    folder = tmp_path / "data/splits/0"
    shown = {key for key, _ in read_unlabelled(folder / "unlabelled.txt")}
    tested = {key for key, _ in read_list(folder / "test.txt")}
    assert (len(shown), len(tested)) == (24, 32)
    twins = {key.translate(str.maketrans("xy", "yx")) for key in shown} & tested
    assert bool(twins) == (kind == "none")
    job.settings.return_value = Split(30.0, 0.0, kind, 0.0)
    job.warn.reset_mock()
    assert "unlabelled" not in stages.split.main(job)
    assert (folder / "unlabelled.txt").read_bytes() == b""
    assert not job.warn.called
