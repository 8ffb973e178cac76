"""Archives, folders, tables and drawn scenes, as the download stage makes one archive of them."""

import hashlib
import os
import socket
import zipfile
from pathlib import Path

import pytest
from packed import ignore, refused, tar_of, unpack, write, zip_of

from erkt.data.sources import fetch
from erkt.params.dataset import Dataset, Scenes

ARCHIVE = zip_of({"a/1.jpg": bytes(3000), "b/2.jpg": b"two"})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def from_archive(location: Path | str, digest: str | None = None) -> Dataset:
    return Dataset("demo", "archive", str(location), digest, None, None)


def from_folder(location: Path) -> Dataset:
    return Dataset("demo", "folder", str(location), None, None, None)


def from_table(location: Path | str) -> Dataset:
    return Dataset("demo", "csv", str(location), None, None, None)


def get(settings: Dataset, out: Path, **environment: str) -> bytes:
    """Return the archive that ``settings`` describe, of the digest that is told."""
    facts = fetch(settings, out, environment, ignore)
    facts.pop("left_out", None)  # tests of labels look at it
    data = out.read_bytes()
    expected = {"source": settings.source, "sha256": sha256(data), "bytes": len(data)}
    assert facts == {"name": "demo"} | expected
    return data


def refusal(settings: Dataset, tmp_path: Path, **environment: str) -> str:
    """Return the message with which fetching is refused, having checked that ``out`` stays as it was."""
    out = write(tmp_path / "out" / "raw", b"a good archive")
    message = refused(fetch, settings, out, environment, ignore)
    assert os.listdir(out.parent) == [out.name]
    assert out.read_bytes() == b"a good archive"
    return message


# ---------------------------------------------------------------- archives on disk


@pytest.mark.parametrize(
    "data", [ARCHIVE, zip_of({"a/1.jpg": bytes(5 * 2**19)}), tar_of({"a/1.jpg": b"one"}, "w:xz")]
)
def test_an_archive_is_copied_whole_in_pieces_that_are_reported(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path / "my.zip", data)
    seen: list[tuple[int, int | None]] = []
    out = tmp_path / "out" / "raw"
    fetch(from_archive(path, sha256(data)), out, {}, lambda *step: seen.append(step))
    assert out.read_bytes() == data
    assert out.stat().st_ino != path.stat().st_ino
    assert [done for done, _ in seen] == [*range(2**20, len(data), 2**20), len(data)]


def test_what_is_no_archive_or_another_one_is_refused_by_the_users_name(tmp_path: Path) -> None:
    path = write(tmp_path / "my.zip", ARCHIVE)
    message = refusal(from_archive("$DATA/my.zip", "0" * 64), tmp_path, DATA=str(tmp_path))
    assert message == f"{path}: not the pinned archive: sha256 {sha256(ARCHIVE)}, expected {'0' * 64}"
    for content in (b"<html>log in first</html>", ARCHIVE[:-30]):
        write(path, content)
        assert refusal(from_archive(path), tmp_path).startswith(f"{path}: ")


def test_a_location_of_the_wrong_kind_says_what_to_set(tmp_path: Path) -> None:
    file = write(tmp_path / "file", b"junk")
    assert "no such file" in refusal(from_archive(tmp_path / "gone.zip"), tmp_path)
    assert "set dataset.source to folder" in refusal(from_archive(tmp_path), tmp_path)
    assert "no such folder" in refusal(from_folder(tmp_path / "gone"), tmp_path)
    assert "set dataset.source to archive" in refusal(from_folder(file), tmp_path)


@pytest.mark.parametrize("location", ["$DATA/my.zip", "${DATA}/my.zip", "${MY_ZIP}", "$MY_ZIP", "~/my.zip"])
def test_a_leading_name_is_looked_up_in_the_environment(tmp_path: Path, location: str) -> None:
    path = write(tmp_path / "my.zip", ARCHIVE)
    environment = {"DATA": str(tmp_path), "MY_ZIP": str(path), "HOME": str(tmp_path)}
    assert get(from_archive(location), tmp_path / "raw", **environment) == ARCHIVE


@pytest.mark.parametrize("environment", [{}, {"DATA": ""}])
def test_a_name_that_is_not_set_is_asked_for(tmp_path: Path, environment: dict[str, str]) -> None:
    assert "set DATA to" in refusal(from_archive("${DATA}/my.zip"), tmp_path, **environment)


# ---------------------------------------------------------------- folders

IMAGES = {"b c/2.png": b"two", "a/1.jpg": b"one", "b c/10.PNG": b"ten", "b/x.tif": b"x"}


def test_a_folder_becomes_a_stored_zip_of_its_images_in_key_order(tmp_path: Path) -> None:
    others = ("README.txt", "a/notes.txt", "a/.hidden.jpg", "a/Thumbs.db", ".git/x.jpg", "__MACOSX/x.jpg")
    root = unpack(tmp_path / "root", IMAGES | dict.fromkeys(others, b"no image"))
    seen: list[tuple[int, int | None]] = []
    fetch(from_folder(root), tmp_path / "raw", {}, lambda *step: seen.append(step))
    with zipfile.ZipFile(tmp_path / "raw") as archive:
        found = [(info.filename, archive.read(info), info.compress_type) for info in archive.infolist()]
    expected = ["a/1.jpg", "b/x.tif", "b c/10.PNG", "b c/2.png"]
    assert found == [(name, IMAGES[name], zipfile.ZIP_STORED) for name in expected]
    assert seen == [(3, 10), (4, 10), (7, 10), (10, 10)]


def test_the_zip_of_a_folder_depends_on_names_and_bytes_alone(tmp_path: Path) -> None:
    plain = get(from_folder(unpack(tmp_path / "one", IMAGES)), tmp_path / "raw")
    root = unpack(tmp_path / "two", IMAGES | {"notes.txt": b"no image"})
    os.utime(root / "a/1.jpg", (10**9, 10**9))
    (root / "a/1.jpg").chmod(0o600)
    assert get(from_folder(root), tmp_path / "raw") == plain
    linked = unpack(tmp_path / "linked", {})
    for name in ("a", "b"):
        (linked / name).symlink_to(root / name)
    unpack(linked / "b c", {})
    for name in ("2.png", "10.PNG"):
        (linked / "b c" / name).symlink_to(root / "b c" / name)
    assert get(from_folder(linked), tmp_path / "raw") == plain
    write(root / "a/1.jpg", b"One")
    assert get(from_folder(root), tmp_path / "raw") != plain


def test_a_folder_of_another_form_is_refused_naming_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = unpack(tmp_path / "deep", IMAGES | {"a/sub/2.jpg": b"2"})
    deep = refusal(from_folder(root), tmp_path)
    assert deep.startswith(f"{root}: 'a/sub/2.jpg' lies in a folder of a class folder; location is")
    root = unpack(tmp_path / "flat", IMAGES | {"x.jpg": b"x"})
    assert "'x.jpg' lies in no class folder" in refusal(from_folder(root), tmp_path)
    root = unpack(tmp_path / "accents", {"a/\u00e9.jpg": b"composed", "a/e\u0301.jpg": b"decomposed"})
    assert "are both the image 'a/\u00e9.jpg'" in refusal(from_folder(root), tmp_path)
    root = unpack(tmp_path / "dangling", IMAGES)
    (root / "a/9.jpg").symlink_to(root / "gone")
    assert refusal(from_folder(root), tmp_path).startswith(f"{root}/a/9.jpg: a dangling link")
    root = unpack(tmp_path / "socket", IMAGES)
    monkeypatch.chdir(root / "a")  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind("9.jpg")
        assert "a/9.jpg: a dangling link or a device" in refusal(from_folder(root), tmp_path)


# ---------------------------------------------------------------- tables

PICTURES = {"x/2.png": b"two", "y/1.jpg": b"one", "x/10.PNG": b"ten", "y/2.png": b"another two"}
ROWS = ["path,label", "pictures/x/2.png,b c", "pictures/y/1.jpg,a", "pictures/x/10.PNG,b c"]


def table(folder: Path, rows: list[str], encoding: str = "utf-8", end: str = "\n") -> Path:
    """Write the table, and beside it the images that ``ROWS`` lists."""
    unpack(folder / "pictures", PICTURES)
    return write(folder / "images.csv", (end.join(rows) + end).encode(encoding))


def test_a_table_gives_the_archive_that_class_folders_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = {name: data for name, data in IMAGES.items() if name != "b/x.tif"}
    folders = get(from_folder(unpack(tmp_path / "folders", listed)), tmp_path / "raw")
    columns = [",".join(reversed(row.split(","))) for row in ROWS]
    elsewhere = [ROWS[0], *(f"{tmp_path}/t/{row}" for row in ROWS[1:])]
    for made in (
        table(tmp_path / "t", ROWS),
        table(tmp_path / "t", [ROWS[0], *reversed(ROWS[1:])]),
        table(tmp_path / "t", columns),
        table(tmp_path / "t", [*ROWS, ""], "utf-8-sig", "\r\n"),
        table(tmp_path / "other", elsewhere),
    ):
        assert get(from_table(made), tmp_path / "raw") == folders
    assert get(from_table("$TABLE"), tmp_path / "raw", TABLE=str(made)) == folders
    monkeypatch.chdir(tmp_path / "other")
    assert get(from_table("images.csv"), tmp_path / "raw") == folders


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("pictures/x/3.png,a", "row 5: no file '{folder}/pictures/x/3.png'; a relative path starts at"),
        ("pictures/x/2.png,b c", "row 5: 'pictures/x/2.png' is the same image as in row 2"),
        ("./pictures/y/../x/2.png,d", "is the same image as in row 2"),
        ("pictures/y/2.png,b c", "is another image of this label and file name as in row 2"),
        ("pictures/x/2.png,", "row 5: the label '' is no folder's name: empty"),
        ("pictures/x/2.png, c", "row 5: the label ' c' is no folder's name"),
        ("pictures/x/2.png,b/c", "row 5: the label 'b/c' is no folder's name"),
        ("pictures/x/2.png,b\\c", "is no folder's name"),
        ("pictures/x/2.png,..", "row 5: '../2.png' is hidden or does not end as an image does"),
        ("pictures/x/2.png,__MACOSX", "'__MACOSX/2.png' is hidden"),
        ("pictures/x/2.png,.unlabelled", "row 5: the folder '.unlabelled' is reserved"),
        ("pictures/x/2.txt,c", "row 5: 'c/2.txt' is hidden or does not end as an image does"),
        (",c", "row 5: 'c/' is hidden or does not end as an image does"),
        ("pictures/x/2.png,a\u2028b", "a control character, line break"),
        ("pictures/x/2.png", "row 5: expected 2 cells"),
        ("pictures/x/2.png,c,0.5", "row 5: expected 2 cells"),
        ('"pictures/x/2.png,c', "not readable as CSV"),
        ("pictures/y/2.png,A", "row 5: 'a/' and 'A/' differ only in case"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, expected: str) -> None:
    made = table(tmp_path / "table", [*ROWS, row])
    message = refusal(from_table(made), tmp_path)
    assert expected.format(folder=made.parent) in message
    assert str(made) in message


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["path,label,weight", "x.png,a,1"], "expected the columns path,label, found path,label,weight"),
        (["Path,label", "x.png,a"], "found Path,label"),
        (["path,path", "a,b"], "found path,path"),
        ([""], "found none"),
        (["path,label"], "lists no images"),
        ([*ROWS, "pictures/x/ü.png,a"], "not readable as CSV in UTF-8"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, rows: list[str], expected: str) -> None:
    made = table(tmp_path / "table", rows, "latin-1")
    assert expected in refusal(from_table(made), tmp_path)
    assert "no such file; location is the CSV file" in refusal(from_table(made.parent), tmp_path)


# ---------------------------------------------------------------- drawn scenes


def test_scenes_are_drawn_into_the_archive(tmp_path: Path) -> None:
    settings = Dataset("demo", "scenes", None, None, Scenes(per_class=1, side=32, seed=3), None)
    get(settings, tmp_path / "raw")
    with zipfile.ZipFile(tmp_path / "raw") as archive:
        classes = [name.split("/")[-2] for name in archive.namelist()]
    assert len(classes) == len(set(classes)) > 1
