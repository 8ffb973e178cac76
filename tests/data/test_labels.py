"""What becomes of trees, archives and tables whose folders are not plainly one for each class."""

import os
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

import pytest
from packed import Files, ignore, refused, unpack, write, zip_of
from test_check import CLASSES, CLEAN, SETTINGS, found, scene

from erkt.data import sources
from erkt.data.archive import members
from erkt.data.check import Facts, inspect
from erkt.data.contents import files_in
from erkt.data.fitness import cautions, problems
from erkt.data.index import read_index
from erkt.data.parts import read_table
from erkt.data.prepare import prepare
from erkt.data.report import text
from erkt.data.sources.published import Published
from erkt.data.splits import as_published
from erkt.params.dataset import Dataset, Parts
from erkt.params.split import Split

DRAWN = Split(train_percent=60, val_percent=0, group_duplicates="none", unlabelled_percent=0)
AS_IS = Split(train_percent=None, val_percent=0, group_duplicates="none", unlabelled_percent=0)


def dataset(location: Path, parts: Parts | None = None, source: str = "folder") -> Dataset:
    return Dataset("mine", source, str(location), None, None, None, parts)  # type: ignore[arg-type]


def everywhere(tmp_path: Path, files: Files) -> list[str]:
    """Return why a tree is refused: by the check and the download, as folder and zip, and by preparation."""
    folder, archive = unpack(tmp_path / "tree", files), write(tmp_path / "tree.zip", zip_of(files))
    said = [" ".join(problems(inspect(path, SETTINGS, {}, ignore))) for path in (folder, archive)]
    for path, source in ((folder, "folder"), (archive, "archive")):
        said.append(refused(sources.fetch, dataset(path, source=source), tmp_path / "archive", {}, ignore))
    said.append(refused(prepare, archive, tmp_path / "prepared", SETTINGS, ignore))
    return said


# ---------------------------------------------------------------- every class is there, or it is said


@pytest.mark.parametrize("suffix", [".jfif", ".heic", ".npy", ""])
def test_a_class_of_files_with_another_suffix_is_a_problem_everywhere(tmp_path: Path, suffix: str) -> None:
    files = CLEAN | {f"harbour/{i}{suffix}": b"x" for i in range(12)}
    kind = suffix or "without a suffix"
    for said in everywhere(tmp_path, files):
        assert f"the folder 'harbour' beside the classes has no image that can be used (12 {kind})" in said


def test_an_empty_class_folder_is_a_problem_in_a_tree_and_in_a_zip(tmp_path: Path) -> None:
    tree = unpack(tmp_path / "tree", CLEAN)
    (tree / "harbour").mkdir()
    archive = tmp_path / "tree.zip"
    archive.write_bytes(zip_of(CLEAN | {"harbour/": b""}))
    for path in (tree, archive):
        (problem,) = problems(inspect(path, SETTINGS, {}, ignore))
        assert problem.startswith("the folder 'harbour' beside the classes has no image that can be used")


def test_files_left_out_by_suffix_are_a_caution_with_their_count(tmp_path: Path) -> None:
    files = CLEAN | {f"beach/{i}.jfif": b"x" for i in range(12)} | {"beach/.DS_Store": b"", "a.txt": b""}
    facts = found(tmp_path, files)
    assert problems(facts) == []
    assert cautions(facts) == ["files left out, since no image ends so: 12 .jfif, 1 .txt"]
    assert facts.left_out == {".jfif": 12, "hidden": 1, ".txt": 1}
    told = sources.fetch(dataset(unpack(tmp_path / "tree", files)), tmp_path / "archive", {}, ignore)
    assert told["left_out"] == {".jfif": 12, ".txt": 1}


def test_every_class_is_printed_with_its_count(tmp_path: Path) -> None:
    lines = text(found(tmp_path, CLEAN)).splitlines()
    assert [f"    {name:7}  6" for name in CLASSES] == lines[lines.index("  images a class") + 1 :][:3]


# ---------------------------------------------------------------- one folder holds all class folders


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"Forest/summer/1.png": 1, "Forest/winter/2.png": 1, "River/summer/3.png": 1}, "Forest/, River/"),
        ({"Forest/summer/1.png": 1, "Forest/winter/2.png": 1, "River/autumn/3.png": 1}, "Forest/, River/"),
        ({"a/Forest/1.png": 1, "a/Forest/deep/2.png": 1, "a/River/3.png": 1}, "a/, a/Forest/"),
        ({"EuroSAT/overview.png": 1, "EuroSAT/Forest/2.png": 1, "EuroSAT/River/3.png": 1}, "./, EuroSAT/"),
    ],
)
def test_class_folders_in_several_places_are_refused_with_the_way_on(
    tmp_path: Path, files: dict[str, int], expected: str
) -> None:
    archive = write(tmp_path / "tree.zip", zip_of(dict.fromkeys(files, CLEAN["beach/0.png"])))
    (line,) = inspect(archive, SETTINGS, {}, ignore).misplaced
    assert f"class folders lie in several folders ({expected}), such as those of " in line
    assert line.endswith("move all images into one folder a class, or list them in a table (source: csv)")
    assert line in refused(prepare, archive, tmp_path / "prepared", SETTINGS, ignore)
    assert line in refused(
        sources.fetch, dataset(archive, source="archive"), tmp_path / "archive", {}, ignore
    )


def test_folders_of_a_published_split_are_refused_naming_how_to_take_them(tmp_path: Path) -> None:
    files = {f"{part}/{name}": data for part in ("train", "test") for name, data in CLEAN.items()}
    apart = {name.replace(".png", f"-{name[:2]}.png"): data for name, data in files.items()}
    for number, tree in enumerate((files, apart)):
        check_folder, _, *others = everywhere(tmp_path / str(number), tree)
        assert "files refused by name or place: 36" in check_folder
        assert all("to take that split as it is, set dataset.parts" in said for said in others)
    flat = {f"{part}/{i}.png": CLEAN[f"beach/{i}.png"] for part in ("train", "test") for i in range(4)}
    for said in everywhere(tmp_path / "flat", flat):
        assert "the class folders are called test and train, as the parts of a split are" in said


def test_folders_around_all_class_folders_change_nothing(tmp_path: Path) -> None:
    around = {f"data set/images/{name}": content for name, content in CLEAN.items()} | {"notes/a.md": b""}
    facts = inspect(write(tmp_path / "tree.zip", zip_of(around)), SETTINGS, {}, ignore)
    assert facts.classes == dict.fromkeys(CLASSES, 6)
    assert problems(facts) == []


# ---------------------------------------------------------------- links, case, rights, names


def test_dangling_links_and_links_that_lead_back_are_refused(tmp_path: Path) -> None:
    for name, target, expected in (
        ("harbour", "nowhere", "a dangling link or a device"),
        ("harbour.png", "nowhere", "a dangling link or a device"),
        ("beach/again", "..", "a link that leads back to"),
        ("forest/self", ".", "a link that leads back to"),
    ):
        tree = unpack(tmp_path / name.replace("/", "-"), CLEAN)
        (tree / name).symlink_to(target)
        said = refused(inspect, tree, SETTINGS, {}, ignore)
        assert said.startswith(f"{tree / name}: {expected}")
        assert said == refused(sources.fetch, dataset(tree), tmp_path / "archive", {}, ignore)


def test_classes_that_differ_in_case_are_refused_by_the_check_as_by_the_download(tmp_path: Path) -> None:
    tree = unpack(tmp_path / "tree", CLEAN | {"Forest/x.png": scene("forest", 9)})
    if not (tree / "forest/x.png").exists():
        facts = inspect(tree, SETTINGS, {}, ignore)
        assert len(facts.refused) > 0
        reason = next(iter(facts.refused.values()))
        assert "'Forest/' and 'forest/' differ only in case; rename one" in reason
        assert reason in refused(sources.fetch, dataset(tree), tmp_path / "archive", {}, ignore)
    table = "".join(f"tree/{name},{label}\n" for name, label in (("beach/0.png", "A"), ("beach/1.png", "a")))
    path = write(tmp_path / "table.csv", f"path,label\n{table}".encode())
    assert "differ only in case" in refused(inspect, path, SETTINGS, {}, ignore)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, and come back")
@pytest.mark.parametrize("name", ["forest", "forest/1.png"])
def test_what_may_not_be_read_is_named_with_the_reason(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        tree = unpack(Path(folder, "tree"), CLEAN)
        (tree / name).chmod(0)
        os.seteuid(65534)
        try:
            said = [
                refused(lambda: [read() for place, read in files_in(tree) if not place.endswith("/")]),
                refused(sources.fetch, dataset(tree), Path(folder, "archive"), {}, ignore),
            ]
        finally:
            os.seteuid(0)
    for line in said:
        assert line.startswith(f"{tree / name}: cannot be read: Permission denied; give yourself the right")


def zip_with_names(path: Path, names: list[bytes], extra: bytes = b"") -> Path:
    """Write a zip whose names are these bytes, without the flag that they are UTF-8."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            entry = zipfile.ZipInfo("x" * len(name))
            entry.extra = extra
            archive.writestr(entry, scene("beach", number))
    data = path.read_bytes()
    for name in names:
        data = data.replace(b"x" * len(name), name)
    return write(path, data)


@pytest.mark.parametrize(
    "name", ["森林/1.png".encode("gbk"), "表/1.png".encode("shift-jis"), "Wälder/1.png".encode("latin-1")]
)
def test_names_of_a_zip_in_an_unknown_encoding_are_refused(tmp_path: Path, name: bytes) -> None:
    path = zip_with_names(tmp_path / "tree.zip", [name])
    said = refused(list, members(path))
    assert "has a name in an unknown encoding; unpack it" in said
    assert refused(inspect, path, SETTINGS, {}, ignore) == said


def test_names_of_a_zip_by_its_flag_or_its_extra_field_are_taken(tmp_path: Path) -> None:
    path = write(tmp_path / "flag.zip", zip_of({"森林/1.png": b""}))
    assert [name for name, _ in members(path)] == ["森林/1.png"]
    raw = "森林/1.png".encode("gbk")
    field = struct.pack("<BI", 1, zlib.crc32(raw)) + "森林/1.png".encode()
    extra = struct.pack("<HH", 0x7075, len(field)) + field
    path = zip_with_names(tmp_path / "extra.zip", [raw], extra)
    assert [name for name, _ in members(path)] == ["森林/1.png"]
    wrong = extra.replace(struct.pack("<I", zlib.crc32(raw)), b"\0\0\0\0")
    assert "unknown encoding" in refused(list, members(zip_with_names(tmp_path / "no.zip", [raw], wrong)))


# ---------------------------------------------------------------- shares, and a split that was published


def test_a_class_that_is_too_small_for_the_split_is_found_by_the_check(tmp_path: Path) -> None:
    files = CLEAN | {f"harbour/{i}.png": scene("harbour", i) for i in range(2)}
    tenth = Split(train_percent=60, val_percent=30, group_duplicates="none", unlabelled_percent=0)
    path = write(tmp_path / "tree.zip", zip_of(files))
    facts = inspect(path, SETTINGS, {}, ignore, tenth)
    (problem,) = problems(facts)
    assert problem.startswith("the split cannot be drawn: the class 'harbour' (2 in all) leaves no image")
    assert problems(inspect(path, SETTINGS, {}, ignore, DRAWN)) == []


FOLDERS = Parts("folders", None, ("training",), (), ("testing",))
LISTED = Parts("lists", "lists", ("a.txt",), ("b.txt",), ("c.txt",))
TRAIN, VAL, TEST = ("0", "1", "2"), ("3",), ("4", "5")


def published_lists(folder: Path, form: str) -> Path:
    """Write the lists that ``LISTED`` names, in one of the forms in which people publish them."""
    for name, numbers in (("a.txt", TRAIN), ("b.txt", VAL), ("c.txt", TEST)):
        lines = [form.format(c=c, i=i, n=k) for k, c in enumerate(CLASSES) for i in numbers]
        write(folder / "lists" / name, "\n".join(lines).encode())
    return folder / "lists"


def divided(tmp_path: Path, made: Dataset) -> dict[str, list[str]]:
    """Return the keys of each part after download, prepare and split, having checked the tree as well."""
    location = Path(str(made.location))
    here = Published(made.parts, tmp_path / "lists" if made.parts and made.parts.location else None)  # type: ignore[arg-type]
    facts: Facts = inspect(location, SETTINGS, {}, ignore, AS_IS, here)
    assert problems(facts) == []
    parts = made.parts and Parts(
        **vars(made.parts) | {"location": made.parts.location and str(tmp_path / "lists")}
    )
    sources.fetch(Dataset(**vars(made) | {"parts": parts}), tmp_path / "archive", {}, ignore)
    prepare(tmp_path / "archive", tmp_path / "prepared", SETTINGS, ignore)
    rows = read_index(tmp_path / "prepared/index.csv")
    part_of = read_table((tmp_path / "prepared/parts.csv").read_bytes(), "parts")
    packed = inspect(tmp_path / "archive", SETTINGS, {}, ignore, AS_IS, here)
    assert (packed.parts, problems(packed)) == (facts.parts, [])
    keys, labels = [row.key for row in rows], [row.label for row in rows]
    places = as_published(keys, labels, part_of, AS_IS, 0)
    assert facts.parts == {part: len(found) for part, found in places.items() if found}
    return {part: [keys[place] for place in found] for part, found in places.items()}


@pytest.mark.parametrize(
    "form", ["{c}/{i}.png", "root/{c}/{i}.png\t{n}", "./{c}/{i}.png {n}", "{c}\\{i}.png,x"]
)
@pytest.mark.parametrize("packed", [False, True])
def test_list_files_divide_the_images_as_they_say(tmp_path: Path, form: str, packed: bool) -> None:
    published_lists(tmp_path, form)
    tree = unpack(tmp_path / "tree", CLEAN)
    if packed:
        tree = write(tmp_path / "tree.zip", zip_of({f"root/{name}": data for name, data in CLEAN.items()}))
    found = divided(tmp_path, dataset(tree, LISTED, "archive" if packed else "folder"))
    for part, numbers in (("train", TRAIN), ("val", VAL), ("test", TEST)):
        assert found[part] == [f"{name}/{i}.png" for name in CLASSES for i in numbers]


@pytest.mark.parametrize("packed", [False, True])
def test_folders_divide_the_images_and_equal_names_stay_apart(tmp_path: Path, packed: bool) -> None:
    files = {f"training/{name}/{i}.png": CLEAN[f"{name}/{i}.png"] for name in CLASSES for i in range(4)}
    files |= {f"testing/{name}/{i}.png": CLEAN[f"{name}/{i + 4}.png"] for name in CLASSES for i in range(2)}
    tree = unpack(tmp_path / "tree", files)
    if packed:
        tree = write(tmp_path / "tree.zip", zip_of({f"all/{name}": data for name, data in files.items()}))
    found = divided(tmp_path, dataset(tree, FOLDERS, "archive" if packed else "folder"))
    assert found["train"] == [f"{name}/training-{i}.png" for name in CLASSES for i in range(4)]
    assert found["test"] == [f"{name}/testing-{i}.png" for name in CLASSES for i in range(2)]
    assert found["val"] == found["unlabelled"] == []


def test_a_column_divides_the_images(tmp_path: Path) -> None:
    unpack(tmp_path / "tree", CLEAN)
    part = {"0": "fit", "1": "fit", "2": "dev", "3": "dev", "4": "held", "5": "held"}
    rows = [f"tree/{name},{name[:-6]},{part[name[-5]]}" for name in CLEAN]
    path = write(tmp_path / "table.csv", "\n".join(["path,label,split", *rows]).encode())
    column = Parts("column", None, ("fit",), ("dev",), ("held",))
    found = divided(tmp_path, dataset(path, column, "csv"))
    assert found["val"] == [f"{name}/{i}.png" for name in CLASSES for i in (2, 3)]
    assert found["test"] == [f"{name}/{i}.png" for name in CLASSES for i in (4, 5)]


def test_validation_images_come_out_of_a_published_training_part_alone() -> None:
    keys = [f"{name}/{i:02}.png" for name in CLASSES for i in range(20)]
    labels = [place // 20 for place in range(60)]
    part_of = {key: "train" if int(key[-6:-4]) < 10 else "test" for key in keys}
    tenth = Split(train_percent=None, val_percent=20, group_duplicates="none", unlabelled_percent=0)
    first, again, other = (as_published(keys, labels, part_of, tenth, seed) for seed in (0, 0, 1))
    assert first == again
    assert first["val"] != other["val"]
    assert first["test"] == other["test"] == [i for i, key in enumerate(keys) if part_of[key] == "test"]
    assert [sum(labels[i] == label for i in first["val"]) for label in range(3)] == [2, 2, 2]
    assert sorted(first["train"] + first["val"]) == [
        i for i, key in enumerate(keys) if part_of[key] == "train"
    ]


def test_a_published_split_that_does_not_fit_is_refused_naming_what_is_wrong(tmp_path: Path) -> None:
    tree = unpack(tmp_path / "tree", CLEAN)
    lists = published_lists(tmp_path, "{c}/{i}.png")

    def said(parts: Parts = LISTED, location: Path = tree, source: str = "folder") -> str:
        where = Parts(**vars(parts) | {"location": parts.location and str(lists)})
        return refused(sources.fetch, dataset(location, where, source), tmp_path / "archive", {}, ignore)

    good = (lists / "a.txt").read_text()
    for more, expected in (
        ("beach/9.png", "a.txt:10: there is no image 'beach/9.png'"),
        ("beach/4.png", "'beach/4.png' is there twice, first at"),
        ("what", "a.txt:10: names no image: 'what'"),
    ):
        (lists / "a.txt").write_text(f"{good}\n{more}\n")
        assert expected in said()
    (lists / "a.txt").write_text(good.replace("beach/0.png\n", ""))
    assert "beach/0.png: is in none of the lists of dataset.parts" in said()
    (lists / "a.txt").write_text(good.replace("beach/0.png", "0.png").replace("forest/0.png\n", ""))
    assert "'0.png' may be 'beach/0.png' or " in said()
    (lists / "a.txt").unlink()
    assert "a.txt: not readable as a list of images" in said()
    parted = unpack(tmp_path / "parted", {f"extra/{name}": data for name, data in CLEAN.items()})
    assert "its part 'extra' is not among those of dataset.parts (training, testing)" in said(FOLDERS, parted)
    alone = unpack(tmp_path / "alone", {f"training/{name}": data for name, data in CLEAN.items()})
    assert "no image is in the part 'test'" in said(FOLDERS, alone)


def test_the_check_takes_a_table_as_the_download_does(tmp_path: Path) -> None:
    unpack(tmp_path / "tree", CLEAN)
    rows = "".join(f"tree/{name},{name[:-6]}\n" for name in CLEAN)
    facts = inspect(
        write(tmp_path / "table.csv", f"path,label\n{rows}".encode()), SETTINGS, {}, ignore, DRAWN
    )
    assert facts.classes == dict.fromkeys(CLASSES, 6)
    assert problems(facts) == cautions(facts) == []
