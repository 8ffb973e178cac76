"""Images of no class: packed beside the others, prepared with them, and all of them in their list."""

import hashlib
import io
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from packed import Files, ignore, refused, tar_of, unpack, write, zip_of
from PIL import Image

import stages.prepare
import stages.split
from erkt.data.check import inspect
from erkt.data.fitness import cautions, problems
from erkt.data.images import open_images, open_training
from erkt.data.index import read_index
from erkt.data.lists import read_list, read_unlabelled
from erkt.data.prepare import prepare
from erkt.data.report import text
from erkt.data.sources import fetch
from erkt.params.dataset import Dataset, Scenes, Unlabelled
from erkt.params.prepare import Prepare
from erkt.params.split import Split
from erkt.scenes import render

LABELLED = {"a/1.png": b"one", "b/2.png": b"two", "b/notes.txt": b"text"}
MORE = {"x.png": b"three", "2024/x.png": b"four", "2024/readme.md": b"", "2024/.seen/y.png": b"five"}
PACKED = {".unlabelled/x.png": b"three", ".unlabelled/2024_x.png": b"four"}
SETTINGS = Prepare(side=64, filter="bicubic", non_square="squash", undecodable="refuse")


def dataset(tmp_path: Path, unlabelled: Unlabelled | None, source: str = "archive") -> Dataset:
    """Return ``LABELLED`` as an archive, a folder or a table, with more images."""
    folder = unpack(tmp_path / "labelled", LABELLED)
    table = "path,label\na/1.png,a\nb/2.png,b\n"
    places = {
        "archive": write(tmp_path / "labelled.zip", zip_of(LABELLED)),
        "folder": folder,
        "csv": write(folder / "table.csv", table.encode()),
    }
    return Dataset("demo", source, str(places[source]), None, None, unlabelled)  # type: ignore[arg-type]


def more(tmp_path: Path, source: str) -> Unlabelled:
    folder = unpack(tmp_path / "more", MORE)
    places = {
        "archive": write(tmp_path / "more.tar", tar_of(MORE)),
        "folder": folder,
        "csv": write(folder / "paths.csv", b"path\nx.png\n./2024/x.png\n2024/readme.md\n"),
    }
    return Unlabelled(source, str(places[source]), None)  # type: ignore[arg-type]


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in file.namelist()}


def refusal(settings: Dataset, tmp_path: Path) -> str:
    out = write(tmp_path / "out/raw", b"a good archive")
    message = refused(fetch, settings, out, {}, ignore)
    assert os.listdir(out.parent) == ["raw"]
    assert out.read_bytes() == b"a good archive"
    return message


# ---------------------------------------------------------------- packed


@pytest.mark.parametrize("source", ["archive", "folder", "csv"])
@pytest.mark.parametrize("of", ["archive", "folder", "csv"])
def test_they_are_packed_beside_the_others_wherever_both_come_from(
    tmp_path: Path, source: str, of: str
) -> None:
    out = tmp_path / "out/raw"
    plain = fetch(dataset(tmp_path, None, of), out, {}, ignore)
    alone = contents(out)
    facts = fetch(dataset(tmp_path, more(tmp_path, source), of), out, {}, ignore)
    assert contents(out) == alone | PACKED
    assert facts == plain | {"unlabelled": 2, "bytes": out.stat().st_size}
    first = out.read_bytes()
    fetch(dataset(tmp_path, more(tmp_path, source), of), out, {}, ignore)
    assert out.read_bytes() == first


def test_the_scenes_take_them_and_a_variable_says_where_they_lie(tmp_path: Path) -> None:
    more(tmp_path, "folder")
    scenes = Scenes(per_class=1, side=32, seed=0)
    settings = Dataset("s", "scenes", None, None, scenes, Unlabelled("folder", "$MORE", None))
    assert fetch(settings, tmp_path / "raw", {"MORE": str(tmp_path / "more")}, ignore)["unlabelled"] == 2


def test_what_cannot_be_packed_is_refused_and_leaves_the_archive(tmp_path: Path) -> None:
    def reason(files: Files, source: str = "folder") -> str:
        place = tmp_path / f"{len(files)}-{source}"
        where = unpack(place, files) if source == "folder" else write(place, zip_of(files))
        return refusal(dataset(tmp_path, Unlabelled(source, str(where), None)), tmp_path)  # type: ignore[arg-type]

    assert "no image in it; set dataset.unlabelled to null" in reason({"readme.md": b""})
    both = reason({"a/b.png": b"1", "a_b.png": b"2"})
    assert "'a_b.png' and 'a/b.png' both become '.unlabelled/a_b.png'; remove or rename one" in both
    assert "would leave its folder" in reason({"../x.png": b"1", "y.png": b"", "z.png": b""}, "archive")
    gone = Unlabelled("folder", str(tmp_path / "gone"), None)
    assert refusal(dataset(tmp_path, gone), tmp_path) == f"{tmp_path / 'gone'}: no such folder"
    labels = Unlabelled("csv", str(write(tmp_path / "t.csv", b"path,label\nx.png,a\n")), None)
    assert "expected the column path, found path,label" in refusal(dataset(tmp_path, labels), tmp_path)
    lost = Unlabelled("csv", str(write(tmp_path / "u.csv", b"path\ngone.png\n")), None)
    assert "u.csv: row 2: no file" in refusal(dataset(tmp_path, lost), tmp_path)


def test_the_pinned_archive_is_compared_and_each_pin_is_its_own(tmp_path: Path) -> None:
    def digest(path: str) -> str:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()

    other = more(tmp_path, "archive")
    right = replace(other, sha256=digest(other.location))
    settings = dataset(tmp_path, right)
    settings = replace(settings, sha256=digest(str(settings.location)))
    assert fetch(settings, tmp_path / "raw", {}, ignore)["unlabelled"] == 2
    wrong = replace(settings, unlabelled=replace(other, sha256="0" * 64))
    assert f"{other.location}: not the pinned archive" in refusal(wrong, tmp_path)


@pytest.mark.parametrize("with_more", [False, True])
def test_nobodys_class_has_the_reserved_name(tmp_path: Path, with_more: bool) -> None:
    """Else its images would lose their class without a word."""
    unlabelled = more(tmp_path, "folder") if with_more else None
    archive = write(tmp_path / "own.zip", zip_of(LABELLED | {".unlabelled/9.png": b"nine"}))
    table = write(tmp_path / "own.csv", b"path,label\nlabelled/a/1.png,a\nlabelled/b/2.png,.unlabelled\n")
    dataset(tmp_path, None)
    for source, place in (("archive", archive), ("csv", table)):
        own = Dataset("demo", source, str(place), None, None, unlabelled)  # type: ignore[arg-type]
        assert "the folder '.unlabelled' is reserved" in refusal(own, tmp_path)


# ---------------------------------------------------------------- prepared and split


def scene(name: str, index: int, quality: int = 0) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(render(name, 0, index, 64)))
    image.save(out, "JPEG", quality=quality) if quality else image.save(out, "PNG")
    return out.getvalue()


CLASSES = ("beach", "viaduct")
SCENES = {f"{name}/{index}.png": scene(name, index) for name in CLASSES for index in range(10)}
OTHERS = {f".unlabelled/{index}.png": scene("airport", index) for index in range(4)}


def prepared(folder: Path, files: Files) -> Path:
    prepare(write(folder / "raw.zip", zip_of(files)), folder / "data/prepared", SETTINGS, ignore)
    return folder / "data/prepared"


def test_the_index_marks_them_and_classes_and_counts_leave_them_out(tmp_path: Path) -> None:
    place = prepared(tmp_path, SCENES | OTHERS)
    rows = read_index(place / "index.csv")
    assert [(row.key, row.label) for row in rows[:4]] == [(key, -1) for key in sorted(OTHERS)]
    assert {(row.class_name, row.label) for row in rows[4:]} == {("beach", 0), ("viaduct", 1)}
    manifest = json.loads((place / "manifest.json").read_text())
    assert (manifest["classes"], manifest["counts"]) == (list(CLASSES), dict.fromkeys(CLASSES, 10))
    assert manifest["shape"] == [24, 3, 64, 64]
    images = open_images(place)
    assert images.classes == CLASSES
    shown = images.subset([(".unlabelled/2.png", -1)])
    np.testing.assert_array_equal(shown.pixels([0])[0].transpose(1, 2, 0), render("airport", 0, 2, 64))
    index = (place / "index.csv").read_text()
    for wrong in (index.replace(".unlabelled,-1", ".unlabelled,0"), index.replace("beach,0", "beach,-1")):
        (place / "index.csv").write_text(wrong)
        assert "class or label do not belong to" in refused(read_index, place / "index.csv")


def test_unlabelled_images_are_no_class_of_their_own(tmp_path: Path) -> None:
    files = {key: data for key, data in (SCENES | OTHERS).items() if not key.startswith("viaduct")}
    archive = write(tmp_path / "raw.zip", zip_of(files))
    assert "in 1 class folders" in refused(prepare, archive, tmp_path / "out", SETTINGS, ignore)


def test_the_stage_says_how_many_have_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "data/archive", zip_of(SCENES | OTHERS))
    monkeypatch.chdir(tmp_path)
    job = Mock()
    job.settings.return_value = SETTINGS
    assert stages.prepare.main(job) == "20 images of 2 classes and 4 without a class at 64 px"


def run(folder: Path, files: Files, kind: Any, monkeypatch: pytest.MonkeyPatch, percent: float = 0.0) -> Mock:
    """Prepare and split ``files`` in ``folder``; return the job."""
    prepared(folder, files)
    monkeypatch.chdir(folder)
    job = Mock(seed=0)
    job.settings.return_value = Split(40.0, 25.0, kind, percent)
    job.line = stages.split.main(job)
    return job


def listed(folder: Path, part: str) -> list[str]:
    read = read_unlabelled if part == "unlabelled" else read_list
    return [key for key, _ in read(folder / f"data/splits/0/{part}.txt")]


@pytest.mark.parametrize("kind", ["none", "exact", "near"])
def test_all_of_them_are_listed_and_no_other_list_changes(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "one", SCENES, kind, monkeypatch)
    job = run(tmp_path / "two", SCENES | OTHERS, kind, monkeypatch)
    assert ", 4 unlabelled" in job.line
    for part in ("train", "val", "test"):
        assert listed(tmp_path / "one", part) == listed(tmp_path / "two", part)
    assert listed(tmp_path / "one", "unlabelled") == []
    assert listed(tmp_path / "two", "unlabelled") == sorted(OTHERS)
    assert job.warn.call_count == (kind == "none")
    run(tmp_path / "two", SCENES | OTHERS, kind, monkeypatch, 20.0)
    both = listed(tmp_path / "two", "unlabelled")
    assert len(both) == 8
    assert set(OTHERS) < set(both)
    lists = [tmp_path / f"two/data/splits/0/{part}.txt" for part in ("train", "unlabelled")]
    (whole,) = open_training(tmp_path / "two/data/prepared", *lists)
    assert (len(whole), whole.unlabelled) == (6 + 8, 8)


@pytest.mark.parametrize("kind", ["none", "exact", "near"])
def test_those_that_repeat_what_is_measured_on_are_left_out_and_named(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An equal copy and a near duplicate of every labelled image: those of training images may stay."""
    copies = {f".unlabelled/{key.replace('/', '-')}": data for key, data in SCENES.items()}
    near = {
        f".unlabelled/{name}-{index}-near.jpg": scene(name, index, 60)
        for name in CLASSES
        for index in range(10)
    }
    plain = run(tmp_path / "plain", SCENES, kind, monkeypatch)
    job = run(tmp_path / "more", SCENES | copies | near | OTHERS, kind, monkeypatch)
    for part in ("train", "val", "test"):
        assert listed(tmp_path / "plain", part) == listed(tmp_path / "more", part), "they changed the split"
    assert plain.warn.call_count == 0
    measured = listed(tmp_path / "more", "val") + listed(tmp_path / "more", "test")
    out = {"none": set(), "exact": {f".unlabelled/{key.replace('/', '-')}" for key in measured}}
    out["near"] = out["exact"] | {name.removesuffix(".png") + "-near.jpg" for name in out["exact"]}
    assert set(listed(tmp_path / "more", "unlabelled")) == {*copies, *near, *OTHERS} - out[kind]
    if kind != "none":
        (said,) = [call.args[0] for call in job.warn.call_args_list]
        assert said.startswith(
            f"{len(out[kind])} unlabelled images repeat validation or test images, left out: "
        )
        assert min(out[kind]) in said
        noted = [call.args[0]["left_out"] for call in job.note.call_args_list if "left_out" in call.args[0]]
        assert set(noted[0]) == out[kind]


def test_the_check_of_the_archive_counts_them_apart(tmp_path: Path) -> None:
    copy = {".unlabelled/again.png": SCENES["beach/0.png"]}
    archive = write(tmp_path / "raw.zip", zip_of(SCENES | OTHERS | copy))
    parts = {
        "train": [("beach/1.png", 0)],
        "test": [("beach/0.png", 0), ("viaduct/0.png", 1)],
        "unlabelled": [(".unlabelled/again.png", -1), (".unlabelled/0.png", -1)],
    }
    facts = inspect(archive, SETTINGS, parts, ignore)
    assert facts.classes == dict.fromkeys(CLASSES, 10)
    assert facts.unlabelled == 5
    assert facts.conflicts == []
    assert text(facts).startswith(f"{archive}: 20 images of 2 classes, 5 without a class")
    assert problems(facts) == [
        "leak, test images with equal pixels in unlabelled: 1; split.group_duplicates: exact avoids it"
    ]
    assert not any("of two classes: 1" in line for line in cautions(facts))
    assert problems(inspect(archive, SETTINGS, {}, ignore)) == []
