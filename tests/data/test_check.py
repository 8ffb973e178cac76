import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from closure import ROOT
from packed import Files, ignore, refused, tar_of, unpack, write, zip_of
from PIL import Image

from erkt.data.check import Facts, inspect
from erkt.data.fitness import cautions, problems, twin_counts
from erkt.data.prepare import prepare
from erkt.data.report import SHOWN, text
from erkt.data.splits import split
from erkt.params.prepare import Prepare
from erkt.params.split import Split
from erkt.scenes import render

SETTINGS = Prepare(side=48, filter="bicubic", non_square="squash", undecodable="refuse")
SKIP = replace(SETTINGS, undecodable="skip")
CLASSES = ("beach", "forest", "viaduct")


def scene(name: str, index: int, kind: str = "PNG", side: int = 48, **options: int) -> bytes:
    """Return one scene as a file; other options make a near duplicate of the same scene."""
    image = Image.fromarray(np.ascontiguousarray(render(name, 0, index, 64)))
    return encode(image.resize((side, side), Image.Resampling.BICUBIC), kind, **options)


def encode(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def near(name: str, index: int) -> bytes:
    """Return a near duplicate of a scene."""
    return scene(name, index, "JPEG", quality=50)


CLEAN = {f"{name}/{i}.png": scene(name, i) for name in CLASSES for i in range(6)}
COPY = CLEAN["beach/0.png"]
# The clean tree with one of each finding planted in it.
EVERYTHING = CLEAN | {
    "beach/copy.png": COPY,
    "forest/again.bmp": scene("forest", 1, "BMP"),
    "viaduct/near.jpg": near("viaduct", 2),
    "beach/wrong.png": CLEAN["viaduct/5.png"],
    "forest/cut.png": CLEAN["forest/3.png"][:300],
    "forest/none.jpg": b"",
    "forest/notes.txt": b"where from",
    "licence.txt": b"",
}


def found(
    tmp_path: Path,
    files: Files,
    parts: dict[str, Sequence[str]] | None = None,
    settings: Prepare = SETTINGS,
) -> Facts:
    """Return the facts on an archive of ``files`` and on lists of keys with their right labels."""
    classes = sorted({name.split("/")[-2] for name in files if "/" in name})
    lists = {
        part: [(key, classes.index(key.split("/")[0])) for key in keys]
        for part, keys in (parts or {}).items()
    }
    return inspect(write(tmp_path / "tree.zip", zip_of(files)), settings, lists, ignore)


# ---------------------------------------------------------------- facts


def test_a_clean_tree_is_fit_and_nothing_is_found_in_it(tmp_path: Path) -> None:
    facts = found(tmp_path, CLEAN)
    assert facts.classes == dict.fromkeys(CLASSES, 6)
    assert facts.sizes == [{"width": 48, "height": 48, "images": 18}]
    assert facts.modes == {"RGB": 18}
    empty = (facts.ignored, facts.unreadable, facts.refused, facts.copies, facts.equal, facts.conflicts)
    assert not any((*empty, facts.near, facts.twins))
    assert problems(facts) == cautions(facts) == []


def test_what_is_planted_is_found_and_nothing_else_in_a_folder_as_in_an_archive(tmp_path: Path) -> None:
    facts = found(tmp_path, EVERYTHING)
    assert facts.classes == {"beach": 8, "forest": 7, "viaduct": 7}
    assert facts.ignored == ["forest/notes.txt", "licence.txt"]
    assert facts.unreadable.keys() == {"forest/cut.png", "forest/none.jpg"}
    assert facts.unreadable["forest/none.jpg"] == "empty file"
    assert facts.copies == [["beach/0.png", "beach/copy.png"], ["beach/wrong.png", "viaduct/5.png"]]
    assert facts.equal == [*facts.copies, ["forest/1.png", "forest/again.bmp"]]
    assert facts.conflicts == [["beach/wrong.png", "viaduct/5.png"]]
    assert [(pair["first"], pair["second"]) for pair in facts.near] == [("viaduct/2.png", "viaduct/near.jpg")]
    for path in (
        unpack(tmp_path / "tree", EVERYTHING),
        write(tmp_path / "tree.tgz", tar_of(EVERYTHING, "w:gz")),
    ):
        assert replace(inspect(path, SETTINGS, {}, ignore), path=facts.path) == facts


def test_unreadable_is_what_preparation_skips_with_its_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50 * 50)  # between the limit and twice the limit it warns
    bad = {
        "beach/text.png": b"no image",
        "beach/cut.jpg": scene("beach", 7, "JPEG")[:400],
        "beach/large.png": scene("beach", 9, side=60),
        "forest/float.tif": encode(Image.new("F", (48, 48)), "TIFF"),
    }
    facts = found(tmp_path, CLEAN | bad, settings=SKIP)
    manifest = prepare(tmp_path / "tree.zip", tmp_path / "prepared", SKIP, ignore)
    assert facts.unreadable == {entry["member"]: entry["reason"] for entry in manifest["skipped"]}
    assert facts.unreadable.keys() == bad.keys()
    assert facts.classes == manifest["counts"]
    assert problems(facts) == []
    assert cautions(facts) == ["unreadable files that will be left out: 4"]


def test_names_that_preparation_refuses_are_listed_not_only_the_first(tmp_path: Path) -> None:
    files = CLEAN | dict.fromkeys(("lost.png", "forest/a\nb.png", "x/beach/1.png"), COPY)
    facts = found(tmp_path, files)
    assert facts.refused.keys() == {"lost.png", "forest/a\\nb.png", "x/beach/1.png"}
    assert "lies in no class folder" in facts.refused["lost.png"]
    assert "are both the image 'beach/1.png'" in facts.refused["x/beach/1.png"]
    assert problems(facts) == ["files refused by name or place: 3; rename, move or remove them"]
    assert all(line.isprintable() for line in text(facts).splitlines())
    folder = inspect(unpack(tmp_path / "tree", {"train/beach/1.png": COPY}), SETTINGS, {}, ignore)
    assert "lies in a folder of a class folder" in folder.refused["train/beach/1.png"]


def test_sizes_and_modes_are_counted_before_preparation(tmp_path: Path) -> None:
    more = {
        "beach/long.png": encode(Image.new("L", (90, 30), 7)),
        "beach/big.png": scene("beach", 9, side=64),
    }
    facts = found(tmp_path, CLEAN | more)
    assert facts.sizes[0] == {"width": 48, "height": 48, "images": 18}
    assert {(size["width"], size["height"]) for size in facts.sizes[1:]} == {(90, 30), (64, 64)}
    assert facts.modes == {"RGB": 19, "L": 1}
    assert cautions(facts) == [
        "images that stay below 64 of 255: 1",
        "images of a single value: 1",
        "images smaller than prepare.side (48), to be enlarged: 1",
        "images that are not square: 1; prepare.non_square is squash",
    ]


@pytest.mark.parametrize("name", ["missing", "text.zip"])
def test_what_is_no_tree_is_one_line(tmp_path: Path, name: str) -> None:
    write(tmp_path / "text.zip", b"no archive")
    assert name in refused(inspect, tmp_path / name, SETTINGS, {}, ignore)


# ---------------------------------------------------------------- a split


def test_twins_across_a_split_are_found_by_part_and_kind(tmp_path: Path) -> None:
    files = CLEAN | {
        "beach/copy.png": COPY,
        "beach/again.png": COPY,
        "beach/near.jpg": near("beach", 0),
        "forest/near.jpg": near("forest", 1),
        "viaduct/near.jpg": near("viaduct", 2),
        "viaduct/same side.png": CLEAN["viaduct/3.png"],
    }
    parts = {
        "train": ["beach/0.png", "forest/near.jpg", "viaduct/3.png", "viaduct/same side.png"],
        "val": ["viaduct/near.jpg", "beach/1.png"],
        "test": ["beach/copy.png", "beach/near.jpg", "forest/1.png", "viaduct/2.png", "viaduct/4.png"],
    }
    facts = found(tmp_path, files, parts)
    assert {
        (twin["part"], twin["image"], twin["twin_part"], twin["twin"], twin["kind"]) for twin in facts.twins
    } == {
        ("test", "beach/copy.png", "train", "beach/0.png", "equal"),
        ("test", "beach/near.jpg", "train", "beach/0.png", "near"),
        ("test", "forest/1.png", "train", "forest/near.jpg", "near"),
        ("test", "viaduct/2.png", "val", "viaduct/near.jpg", "near"),
    }
    assert twin_counts(facts)["test", "train", "near"] == 2
    assert problems(facts) == [
        "leak, test images with equal pixels in train: 1; split.group_duplicates: exact avoids it"
    ]
    assert sum("images with a near duplicate in" in line for line in cautions(facts)) == 2
    parts["unlabelled"] = parts.pop("train")
    assert {twin["twin_part"] for twin in found(tmp_path, files, parts).twins} == {"unlabelled", "val"}
    # A near duplicate of a repeated image is a twin of each copy.
    parts = {"train": ["beach/copy.png"], "val": [], "test": ["beach/near.jpg"]}
    assert twin_counts(found(tmp_path, files, parts)) == {("test", "train", "near"): 1}


def test_grouping_in_the_split_leaves_no_twins(tmp_path: Path) -> None:
    files = CLEAN | {f"{name}/{i} near.jpg": near(name, i) for name in CLASSES for i in range(4)}
    alone = found(tmp_path, files)
    keys = sorted(files)
    labels = [CLASSES.index(key.split("/")[0]) for key in keys]
    pairs = [[keys.index(pair["first"]), keys.index(pair["second"])] for pair in alone.near]
    assert len(pairs) == 12
    for groups, leak in ((pairs, False), ([], True)):
        parts = split(keys, labels, Split(50, 0, "near", 0.0), 0, groups)
        facts = found(tmp_path, files, {part: [keys[i] for i in at] for part, at in parts.items()})
        assert bool(facts.twins) == leak


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (("beach/1.png", 1), "train lists 'beach/1.png' with label 1, but it is of label 0; split again"),
        (("beach/gone.png", 0), "but it is unreadable or not there; split again"),
    ],
)
def test_lists_that_do_not_belong_to_the_tree_are_refused(
    tmp_path: Path, listed: tuple[str, int], expected: str
) -> None:
    tree = write(tmp_path / "tree.zip", zip_of(CLEAN))
    message = refused(inspect, tree, SETTINGS, {"train": [("beach/0.png", 0), listed]}, ignore)
    assert expected in message


def test_an_image_in_two_parts_is_a_leak(tmp_path: Path) -> None:
    facts = found(tmp_path, CLEAN, {"train": ["beach/0.png"], "val": [], "test": ["beach/0.png"]})
    assert twin_counts(facts) == {("test", "train", "equal"): 1}


# ---------------------------------------------------------------- verdict


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"readme.txt": b""}, "class folders with images: 0, at least 2 are needed; images lie in a folder"),
        ({"beach/0.png": COPY, "beach/1.png": CLEAN["beach/1.png"]}, "class folders with images: 1"),
        (CLEAN | {"pond/1.png": scene("pond", 1)}, "the class 'pond' has a single image"),
        (CLEAN | {"pond/1.png": b"x", "pond/2.png": b"x"}, "no image of the class 'pond' is readable"),
        (CLEAN | {"forest/wrong.png": COPY}, "label conflicts, equal pixels in more than one class: 1"),
    ],
)
@pytest.mark.parametrize("settings", [SETTINGS, SKIP])
def test_what_makes_a_tree_unfit(tmp_path: Path, files: Files, words: str, settings: Prepare) -> None:
    assert any(words in line for line in problems(found(tmp_path, files, settings=settings)))


def test_duplicates_within_a_class_and_imbalance_are_warnings(tmp_path: Path) -> None:
    files = {f"beach/{i}.png": COPY for i in range(11)}
    facts = found(
        tmp_path, files | {"forest/1.png": CLEAN["forest/1.png"], "forest/2.jpg": near("forest", 1)}
    )
    assert problems(facts) == []
    assert cautions(facts) == [
        "the largest class has 5.5 times the images of the smallest; judge by AA",
        "images that repeat the pixels of another: 10",
        "pairs of near duplicates: 1, of two classes: 0",
    ]


def frames(format_name: str, kinds: Sequence[int] = (0, 0)) -> bytes:
    """Return a file with a page for each of ``kinds``, the number that a TIFF has for what a page is."""
    file = io.BytesIO()
    first, *others = [Image.new("RGB", (48, 48), (90 * number, 200, 0)) for number in range(len(kinds))]
    for page, kind in zip((first, *others), kinds, strict=True):
        page.encoderinfo = {"tiffinfo": {254: kind}} if format_name == "TIFF" else {}
    first.save(file, format_name, save_all=True, append_images=others, **first.encoderinfo)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "several"),
    [
        ("pages.tif", frames("TIFF"), True),
        ("copies.tif", frames("TIFF", (0, 1, 1)), False),
        ("masked.tif", frames("TIFF", (0, 4)), False),
        ("one.tif", frames("TIFF", (0,)), False),
        ("moving.gif", frames("GIF"), True),
        ("moving.webp", frames("WEBP"), True),
        ("moving.png", frames("PNG"), True),
    ],
)
def test_of_several_pages_the_check_says_that_one_is_taken(
    tmp_path: Path, name: str, data: bytes, several: bool
) -> None:
    warned = cautions(found(tmp_path, CLEAN | {f"beach/{name}": data}))
    line = "images of several pages or frames, of which the first is taken: 1"
    assert (line in warned) == several


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_of_a_fourth_band_the_check_says_that_it_is_left_out(tmp_path: Path, mode: str) -> None:
    file = io.BytesIO()
    Image.open(io.BytesIO(COPY)).convert(mode).save(file, "PNG")
    warned = cautions(found(tmp_path, CLEAN | {"beach/clear.png": file.getvalue()}))
    assert "images with transparency or a fourth band, which is left out: 1" in warned


# ---------------------------------------------------------------- text and command


def test_the_text_names_findings_cuts_long_lists_and_ends_with_the_verdict(tmp_path: Path) -> None:
    facts = found(tmp_path, EVERYTHING | {f"beach/bad {i}.png": b"x" for i in range(SHOWN + 2)})
    lines = text(facts).splitlines()
    assert lines[0].endswith("tree.zip: 22 images of 3 classes")
    at = lines.index("  images a class")
    assert lines[at + 1 : at + 4] == ["    beach    8", "    forest   7", "    viaduct  7"]
    assert f"  unreadable files  {SHOWN + 4}" in lines
    assert "  beach/wrong.png = viaduct/5.png" in lines
    assert any(line.startswith("  viaduct/2.png ~ viaduct/near.jpg (0.") for line in lines)
    assert "  and 4 more; --json writes all" in lines
    assert sum(line.startswith("  beach/bad") for line in lines) == SHOWN
    assert "problem: unreadable files: 9; repair them, or set prepare.undecodable to skip" in lines
    assert lines[-1] == "not fit"
    many = text(replace(facts, classes={f"c{i:02}": 10 + i for i in range(30)})).splitlines()
    assert [f"    c{i:02}  {10 + i}" for i in range(30)] == many[at + 1 : at + 31]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "erkt", "data", "check", *arguments]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )


def test_the_command_works_anywhere_and_json_has_everything(tmp_path: Path) -> None:
    write(tmp_path / "tree.zip", zip_of(EVERYTHING))
    for part, line in (("train", "viaduct/2.png\t2\n"), ("val", ""), ("test", "viaduct/near.jpg\t2\n")):
        write(tmp_path / "splits" / f"{part}.txt", line.encode())
    unfit = run(tmp_path, "tree.zip", "--splits", "splits", "--json", "report.json")
    assert (unfit.returncode, unfit.stdout.splitlines()[-1]) == (1, "not fit"), unfit.stderr
    assert "  twins             test in train, near: 1" in unfit.stdout.splitlines()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["fit"] is False
    assert report["prepare"] == {
        "side": 256,
        "filter": "bicubic",
        "non_square": "squash",
        "undecodable": "refuse",
        "bands": None,
        "stretch": None,
    }
    assert report["conflicts"] == [["beach/wrong.png", "viaduct/5.png"]]
    assert report["twins"][0]["image"] == "viaduct/near.jpg"
    assert report["undivided"].startswith("the class 'forest' (7 in all) leaves no image for the val part")
    assert len(report["problems"]) == 3


def test_the_command_reads_params_where_there_are_some(tmp_path: Path) -> None:
    write(tmp_path / "tree.zip", zip_of(CLEAN))
    tiny = (ROOT / "tests/tiny.yaml").read_bytes()
    for folder, more in ((tmp_path, ("--params", str(ROOT / "tests/tiny.yaml"))), (tmp_path / "here", ())):
        write(tmp_path / "here/params.yaml", tiny)
        fit = run(folder, str(tmp_path / "tree.zip"), *more)
        assert (fit.returncode, fit.stdout.splitlines()[-1]) == (0, "fit"), fit.stderr
        assert "groups: 0, at 32 px" in fit.stdout
    write(tmp_path / "here/params.yaml", b"prepare: {}\n")
    wrong = run(tmp_path / "here", "../tree.zip")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: params.yaml")
