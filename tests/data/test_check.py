import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from closure import ROOT
from PIL import Image

from erkt.data import check
from erkt.data.check import Facts, cautions, inspect, problems, twin_counts
from erkt.data.prepare import prepare
from erkt.data.report import SHOWN, text
from erkt.data.splits import split
from erkt.errors import ErktError
from erkt.params.prepare import Prepare
from erkt.params.split import Split
from erkt.scenes import render

SETTINGS = Prepare(side=48, filter="bicubic", non_square="squash", undecodable="refuse")
SKIP = replace(SETTINGS, undecodable="skip")
CLASSES = ("beach", "forest", "viaduct")


def scene(name: str, index: int, kind: str = "PNG", side: int = 48, **options: int) -> bytes:
    """Return one scene as a file; other options make a near duplicate of the same scene."""
    image = Image.fromarray(np.ascontiguousarray(render(name, 0, index, 64)))
    out = io.BytesIO()
    image.resize((side, side), Image.Resampling.BICUBIC).save(out, kind, **options)
    return out.getvalue()


CLEAN = {f"{name}/{i}.png": scene(name, i) for name in CLASSES for i in range(6)}


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def unpack(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def found(
    tmp_path: Path,
    files: dict[str, bytes],
    parts: dict[str, Sequence[str]] | None = None,
    settings: Prepare = SETTINGS,
) -> Facts:
    """Return the facts on an archive of ``files`` and on lists of keys with their right labels."""
    classes = sorted({name.split("/")[-2] for name in files if "/" in name})
    lists = {
        part: [(key, classes.index(key.split("/")[0])) for key in keys]
        for part, keys in (parts or {}).items()
    }
    return inspect(pack(tmp_path / "tree.zip", files), settings, lists, lambda done, total: None)


def everything() -> dict[str, bytes]:
    """Return the clean tree with one of each finding planted in it."""
    return CLEAN | {
        "beach/copy.png": CLEAN["beach/0.png"],
        "forest/again.bmp": scene("forest", 1, "BMP"),
        "viaduct/near.jpg": scene("viaduct", 2, "JPEG", quality=50),
        "beach/wrong.png": CLEAN["viaduct/5.png"],
        "forest/cut.png": CLEAN["forest/3.png"][:300],
        "forest/none.jpg": b"",
        "forest/notes.txt": b"where from",
        "licence.txt": b"",
    }


# ---------------------------------------------------------------- facts


def test_a_clean_tree_is_fit_and_nothing_is_found_in_it(tmp_path: Path) -> None:
    facts = found(tmp_path, CLEAN)
    assert facts.classes == dict.fromkeys(CLASSES, 6)
    assert facts.sizes == [{"width": 48, "height": 48, "images": 18}]
    assert facts.modes == {"RGB": 18}
    empty = (facts.ignored, facts.unreadable, facts.refused, facts.copies, facts.equal, facts.conflicts)
    assert all(not entry for entry in (*empty, facts.near, facts.twins, facts.misplaced))
    assert problems(facts) == cautions(facts) == []


def test_what_is_planted_is_found_and_nothing_else(tmp_path: Path) -> None:
    facts = found(tmp_path, everything())
    assert facts.classes == {"beach": 8, "forest": 7, "viaduct": 7}
    assert facts.ignored == ["forest/notes.txt", "licence.txt"]
    assert facts.unreadable.keys() == {"forest/cut.png", "forest/none.jpg"}
    assert facts.unreadable["forest/none.jpg"] == "empty file"
    assert facts.copies == [["beach/0.png", "beach/copy.png"], ["beach/wrong.png", "viaduct/5.png"]]
    assert facts.equal == [
        ["beach/0.png", "beach/copy.png"],
        ["beach/wrong.png", "viaduct/5.png"],
        ["forest/1.png", "forest/again.bmp"],
    ]
    assert facts.conflicts == [["beach/wrong.png", "viaduct/5.png"]]
    assert [(pair["first"], pair["second"]) for pair in facts.near] == [("viaduct/2.png", "viaduct/near.jpg")]


def test_a_folder_a_zip_and_a_tar_say_the_same(tmp_path: Path) -> None:
    files = everything()
    folder = unpack(tmp_path / "tree", files)
    with tarfile.open(tmp_path / "tree.tar.gz", "w:gz") as archive:
        archive.add(folder, arcname="top")
    packed = found(tmp_path, files)
    for path in (folder, tmp_path / "tree.tar.gz"):
        facts = inspect(path, SETTINGS, {}, lambda done, total: None)
        ignored = [name.removeprefix("top/") for name in facts.ignored]
        assert replace(facts, path=packed.path, ignored=ignored) == packed


def test_unreadable_is_what_preparation_skips_with_its_reasons(tmp_path: Path) -> None:
    bad = {
        "beach/text.png": b"no image",
        "beach/cut.jpg": scene("beach", 7, "JPEG")[:400],
        "forest/empty.png": b"",
        "forest/float.tif": b"",
    }
    out = io.BytesIO()
    Image.new("F", (48, 48)).save(out, "TIFF")
    bad["forest/float.tif"] = out.getvalue()
    facts = found(tmp_path, CLEAN | bad, settings=SKIP)
    manifest = prepare(tmp_path / "tree.zip", tmp_path / "prepared", SKIP, lambda done, total: None)
    assert facts.unreadable == {entry["member"]: entry["reason"] for entry in manifest["skipped"]}
    assert len(facts.unreadable) == len(bad)
    assert facts.classes == manifest["counts"]
    assert len(facts.ignored) == manifest["ignored"]


def test_an_image_beyond_pillow_s_limit_is_unreadable_here_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50 * 50)  # between the limit and twice the limit it warns
    facts = found(tmp_path, CLEAN | {"beach/large.png": scene("beach", 9, side=60)})
    assert facts.unreadable.keys() == {"beach/large.png"}


def test_names_that_preparation_refuses_are_listed_not_only_the_first(tmp_path: Path) -> None:
    data = CLEAN["beach/0.png"]
    files = CLEAN | {"lost.png": data, "forest/a\nb.png": data, "x/beach/1.png": data}
    facts = found(tmp_path, files)
    assert facts.refused.keys() == {"lost.png", "forest/a\\nb.png", "x/beach/1.png"}
    assert "lies in no class folder" in facts.refused["lost.png"]
    assert "'beach/1.png' is the image 'beach/1.png' as well" in facts.refused["x/beach/1.png"]
    assert problems(facts) == ["files refused by name or place: 3; rename, move or remove them"]
    assert all(line.isprintable() for line in text(facts).splitlines())


def test_sizes_and_modes_are_counted_before_preparation(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("L", (90, 30), 7).save(out, "PNG")
    facts = found(
        tmp_path, CLEAN | {"beach/long.png": out.getvalue(), "beach/big.png": scene("beach", 9, side=64)}
    )
    assert facts.sizes[0] == {"width": 48, "height": 48, "images": 18}
    assert {(size["width"], size["height"]) for size in facts.sizes[1:]} == {(90, 30), (64, 64)}
    assert facts.modes == {"RGB": 19, "L": 1}
    assert cautions(facts) == [
        "images smaller than prepare.side (48), to be enlarged: 1",
        "images that are not square: 1; prepare.non_square is squash",
    ]


@pytest.mark.parametrize("path", ["missing", "text.zip", "nested"])
def test_what_is_no_tree_is_one_line(tmp_path: Path, path: str) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    unpack(tmp_path / "nested", {"train/beach/1.png": CLEAN["beach/1.png"]})
    with pytest.raises(ErktError) as caught:
        inspect(tmp_path / path, SETTINGS, {}, lambda done, total: None)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- a split


def test_twins_across_a_split_are_found_by_part_and_kind(tmp_path: Path) -> None:
    files = CLEAN | {
        "beach/copy.png": CLEAN["beach/0.png"],
        "forest/near.jpg": scene("forest", 1, "JPEG", quality=50),
        "viaduct/near.jpg": scene("viaduct", 2, "JPEG", quality=50),
        "viaduct/same side.png": CLEAN["viaduct/3.png"],
    }
    parts = {
        "train": ["beach/0.png", "forest/near.jpg", "viaduct/3.png", "viaduct/same side.png"],
        "val": ["viaduct/near.jpg", "beach/1.png"],
        "test": ["beach/copy.png", "forest/1.png", "viaduct/2.png", "viaduct/4.png", "beach/3.png"],
    }
    facts = found(tmp_path, files, parts)
    assert {
        (twin["part"], twin["image"], twin["twin_part"], twin["twin"], twin["kind"]) for twin in facts.twins
    } == {
        ("test", "beach/copy.png", "train", "beach/0.png", "equal"),
        ("test", "forest/1.png", "train", "forest/near.jpg", "near"),
        ("test", "viaduct/2.png", "val", "viaduct/near.jpg", "near"),
    }
    assert problems(facts) == [
        "leak, test images with equal pixels in train: 1; set split.group_duplicates to exact"
    ]
    assert sum("images with a near duplicate in" in line for line in cautions(facts)) == 2


def test_a_near_duplicate_of_a_repeated_image_is_a_twin_of_each_copy(tmp_path: Path) -> None:
    files = CLEAN | {
        "beach/copy.png": CLEAN["beach/0.png"],
        "beach/near.jpg": scene("beach", 0, "JPEG", quality=50),
    }
    parts = {"train": ["beach/copy.png"], "val": [], "test": ["beach/near.jpg"]}
    assert twin_counts(found(tmp_path, files, parts)) == {("test", "train", "near"): 1}


def test_grouping_in_the_split_leaves_no_twins(tmp_path: Path) -> None:
    files = CLEAN | {
        f"{name}/{i} near.jpg": scene(name, i, "JPEG", quality=50) for name in CLASSES for i in range(4)
    }
    alone = found(tmp_path, files)
    keys = sorted(files)
    labels = [CLASSES.index(key.split("/")[0]) for key in keys]
    pairs = [[keys.index(pair["first"]), keys.index(pair["second"])] for pair in alone.near]
    assert len(pairs) == 12
    for groups, leak in ((pairs, False), ([], True)):
        parts = split(keys, labels, Split(50, 0, "near"), 0, groups)
        facts = found(tmp_path, files, {part: [keys[i] for i in at] for part, at in parts.items()})
        assert bool(facts.twins) == leak


def test_a_list_that_does_not_belong_to_the_tree_is_a_problem(tmp_path: Path) -> None:
    path = pack(tmp_path / "tree.zip", CLEAN)
    lists = {
        "train": [("beach/0.png", 0), ("beach/1.png", 1), ("beach/gone.png", 0)],
        "val": [],
        "test": [("beach/0.png", 0), ("forest/0.png", 1)],
    }
    facts = inspect(path, SETTINGS, lists, lambda done, total: None)
    assert facts.misplaced == {
        "beach/0.png": "listed in train and test",
        "beach/1.png": "listed in train with label 1, its class is 0",
        "beach/gone.png": "listed in train, but unreadable or not there",
    }
    assert "wrongly listed images of the split: 3; split again" in problems(facts)


# ---------------------------------------------------------------- verdict


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"readme.txt": b""}, "class folders with images: 0, at least 2"),
        (
            {key: data for key, data in CLEAN.items() if "beach" in key},
            "class folders with images: 1, at least 2",
        ),
        (CLEAN | {"pond/1.png": scene("pond", 1)}, "the class 'pond' has a single image"),
        (CLEAN | {"pond/1.png": b"x", "pond/2.png": b"x"}, "no image of the class 'pond' is readable"),
        (
            CLEAN | {"forest/wrong.png": CLEAN["beach/1.png"]},
            "label conflicts, equal pixels in more than one class: 1",
        ),
    ],
)
@pytest.mark.parametrize("settings", [SETTINGS, SKIP])
def test_what_makes_a_tree_unfit(
    tmp_path: Path, files: dict[str, bytes], words: str, settings: Prepare
) -> None:
    found_problems = problems(found(tmp_path, files, settings=settings))
    assert any(words in line for line in found_problems)


def test_unreadable_files_are_a_problem_unless_params_skip_them(tmp_path: Path) -> None:
    files = CLEAN | {"beach/bad.png": b"x"}
    assert problems(found(tmp_path, files)) == [
        "unreadable files: 1; repair them, or set prepare.undecodable to skip"
    ]
    skipping = found(tmp_path, files, settings=SKIP)
    assert problems(skipping) == []
    assert cautions(skipping) == ["unreadable files that will be left out: 1"]


def test_duplicates_within_a_class_and_imbalance_are_warnings(tmp_path: Path) -> None:
    files = {f"beach/{i}.png": CLEAN["beach/0.png"] for i in range(11)}
    files |= {"forest/1.png": CLEAN["forest/1.png"], "forest/2.jpg": scene("forest", 1, "JPEG", quality=50)}
    facts = found(tmp_path, files)
    assert problems(facts) == []
    assert cautions(facts) == [
        "the largest class has 5.5 times the images of the smallest; judge by AA",
        "images that repeat the pixels of another: 10",
        "pairs of near duplicates: 1, of two classes: 0",
    ]
    assert check.IMBALANCE == 5


# ---------------------------------------------------------------- text and command


def test_the_text_names_findings_cuts_long_lists_and_ends_with_the_verdict(tmp_path: Path) -> None:
    files = everything() | {f"beach/bad {i}.png": b"x" for i in range(SHOWN + 2)}
    lines = text(found(tmp_path, files)).splitlines()
    assert lines[0].endswith("tree.zip: 22 images of 3 classes")
    assert "  images a class    forest 7, viaduct 7, beach 8" in lines
    assert f"  unreadable files  {SHOWN + 4}" in lines
    assert "  beach/wrong.png = viaduct/5.png" in lines
    assert any(line.startswith("  viaduct/2.png ~ viaduct/near.jpg (0.") for line in lines)
    assert "  and 4 more; --json writes all" in lines
    assert sum(line.startswith("  beach/bad") for line in lines) == SHOWN
    assert sum(line.startswith("problem: ") for line in lines) == 2
    assert lines[-1] == "not fit"


def test_many_unequal_classes_show_the_smallest_and_the_largest(tmp_path: Path) -> None:
    facts = replace(found(tmp_path, CLEAN), classes={f"c{i:02}": 10 + i for i in range(30)})
    line = next(line for line in text(facts).splitlines() if "images a class" in line)
    assert line.split("  ")[-1] == (
        "c00 10, c01 11, c02 12, c03 13, c04 14, ... 20 more ..., c25 35, c26 36, c27 37, c28 38, c29 39"
    )


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "erkt", "data", "check", "--params", "tests/tiny.yaml", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_s_status_says_fit_or_not_and_json_has_everything(tmp_path: Path) -> None:
    fit = run(str(pack(tmp_path / "fit.zip", CLEAN)))
    assert (fit.returncode, fit.stdout.splitlines()[-1]) == (0, "fit"), fit.stderr
    path = pack(tmp_path / "unfit.zip", everything())
    lists = {"train": ["viaduct/2.png"], "val": [], "test": ["viaduct/near.jpg"]}
    for part, keys in lists.items():
        (tmp_path / f"{part}.txt").write_text("".join(f"{key}\t2\n" for key in keys))
    unfit = run(str(path), "--splits", str(tmp_path), "--json", str(tmp_path / "report.json"))
    assert unfit.returncode == 1
    assert "  twins             test in train, near: 1" in unfit.stdout.splitlines()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["fit"] is False
    assert report["conflicts"] == [["beach/wrong.png", "viaduct/5.png"]]
    assert report["twins"][0]["image"] == "viaduct/near.jpg"
    assert len(report["problems"]) == 2
    missing = run(str(tmp_path / "nowhere"))
    assert missing.returncode == 1
    assert missing.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in missing.stderr
