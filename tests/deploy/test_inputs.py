import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from erkt.deploy.inputs import Inputs
from erkt.errors import ErktError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files whose content is their name."""
    names = ("b.jpg", "a.PNG", "deep/er/c.tif", "deep/d.webp", ".hidden.jpg", ".git/x.jpg", "notes.doc")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def found(*places: object, stdin: str = "") -> list[str]:
    return [source.name for source in Inputs([str(place) for place in places], io.StringIO(stdin))]


def test_a_folder_gives_its_images_at_any_depth_in_order(folder: Path) -> None:
    assert found(folder) == [
        str(folder / name) for name in ("a.PNG", "b.jpg", "deep/d.webp", "deep/er/c.tif")
    ]
    assert Inputs([str(folder)], io.StringIO()).count() == 4


def test_a_file_is_taken_whatever_it_is_called(folder: Path) -> None:
    assert found(folder / "notes.doc", folder / "b.jpg") == [str(folder / "notes.doc"), str(folder / "b.jpg")]


def test_a_pattern_meets_images_alone(folder: Path) -> None:
    assert found(folder / "*") == [str(folder / "a.PNG"), str(folder / "b.jpg")]
    assert found(folder / "**" / "*.tif") == [str(folder / "deep/er/c.tif")]


def test_a_file_with_a_bracket_in_its_name_is_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "a[1].jpg").write_text("")
    assert found(tmp_path / "a[1].jpg") == [str(tmp_path / "a[1].jpg")]


def test_lists_are_relative_to_their_folder_and_standard_input_to_the_working_folder(folder: Path) -> None:
    (folder / "list.csv").write_text('\ufeffid,path\n1,b.jpg\n2,"deep/d.webp"\n3,"a, b.jpg"\n')
    (folder / "list.txt").write_text("b.jpg\r\n\n/else/where.jpg\nnone.jpg\n")
    below = [str(folder / name) for name in ("b.jpg", "deep/d.webp", "a, b.jpg")]
    assert found(folder / "list.csv") == below
    assert found(folder / "list.txt") == [str(folder / "b.jpg"), "/else/where.jpg", str(folder / "none.jpg")]
    assert found("-", stdin="x.jpg\ndeep/y.jpg\n") == ["x.jpg", "deep/y.jpg"]
    assert Inputs(["-"], io.StringIO("x.jpg")).count() is None


def test_members_of_archives_are_named_and_read_in_turn(folder: Path) -> None:
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for name in ("b.jpg", "deep/d.webp", "notes.doc", "__MACOSX/b.jpg", ".hidden.jpg"):
            archive.writestr(name, name)
    with tarfile.open(folder / "all.tar.gz", "w:gz") as archive:
        archive.add(folder / "deep", "deep")
    read = {source.name: source.read() for source in Inputs([str(folder / "all.zip")], io.StringIO())}
    assert read == {f"{folder}/all.zip/{name}": name.encode() for name in ("b.jpg", "deep/d.webp")}
    read = {source.name: source.read() for source in Inputs([str(folder / "all.tar.gz")], io.StringIO())}
    assert read == {f"{folder}/all.tar.gz/{name}": name.encode() for name in ("deep/d.webp", "deep/er/c.tif")}
    assert Inputs([str(folder / "all.tar.gz")], io.StringIO()).count() is None


def test_what_is_not_there_or_no_list_is_one_line(folder: Path) -> None:
    (folder / "list.csv").write_text("file,label\nb.jpg,1\n")
    (folder / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    for places, message in {
        (folder / "none",): "none: no such file or folder",
        ("-", "-"): "can be read only once",
        (folder / "list.csv",): r"list\.csv: expected a column 'path', found file, label",
        (folder / "bytes.txt",): r"bytes\.txt: not readable as a list of paths",
    }.items():
        with pytest.raises(ErktError, match=message):
            found(*places)


def test_a_name_that_is_no_text_is_found(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xe9.jpg"
    with open(path, "wb"):
        assert found(tmp_path) == [os.fsdecode(path)]


def test_a_folder_is_entered_once_however_many_links_lead_there(folder: Path) -> None:
    (folder / "deep/loop").symlink_to(folder)
    (folder / "again").symlink_to(folder / "deep")
    assert [Path(name).name for name in found(folder)] == ["a.PNG", "b.jpg", "d.webp", "c.tif"]


def test_a_folder_that_cannot_be_read_is_not_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("er"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(ErktError, match="deep/er: cannot be read: Permission denied"):
        found(folder)


def test_a_row_without_a_path_is_an_image_that_cannot_be_read(folder: Path) -> None:
    (folder / "list.csv").write_text("id,path\n1,b.jpg\n2,\n3,a.PNG\n")
    one, empty, three = Inputs([str(folder / "list.csv")], io.StringIO())
    assert (one.name, three.name) == (str(folder / "b.jpg"), str(folder / "a.PNG"))
    assert empty.name == f"{folder}/list.csv:3"
    with pytest.raises(ErktError, match="this row has no path"):
        empty.read()


def test_names_that_are_not_utf8_are_one_line() -> None:
    with pytest.raises(ErktError, match=r"'caf\\udce9\.jpg': a name that is not UTF-8; rename it"):
        Inputs(["caf\udce9.jpg"], io.StringIO())
    stdin = io.TextIOWrapper(io.BytesIO(b"a.jpg\ncaf\xe9.jpg\n"), encoding="utf-8")
    with pytest.raises(ErktError, match="standard input: not readable as a list of paths"):
        list(Inputs(["-"], stdin))


def test_another_file_of_the_same_name_has_another_stamp(folder: Path) -> None:
    (before,) = Inputs([str(folder / "b.jpg")], io.StringIO())
    stamp = before.stamp
    assert stamp == before.stamp != ""
    (folder / "b.jpg").write_text("another")
    assert before.stamp != stamp
    (folder / "b.jpg").unlink()
    assert before.stamp == ""
