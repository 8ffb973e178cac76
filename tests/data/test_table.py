import os
import zipfile
from pathlib import Path

import pytest

from erkt.data.sources import fetch
from erkt.errors import ErktError
from erkt.params.dataset import Dataset

IMAGES = {"b c/2.png": b"two", "a/1.jpg": b"one", "b c/10.PNG": b"ten"}
ROWS = ["path,label", "pictures/x/2.png,b c", "pictures/y/1.jpg,a", "pictures/x/10.PNG,b c"]


def write(folder: Path, rows: list[str], encoding: str = "utf-8", end: str = "\n") -> Path:
    """Write the table, and beside it the images that ``ROWS`` lists."""
    for place, data in (("x/2.png", b"two"), ("y/1.jpg", b"one"), ("x/10.PNG", b"ten")):
        (folder / "pictures" / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / "pictures" / place).write_bytes(data)
    table = folder / "images.csv"
    table.write_bytes((end.join(rows) + end).encode(encoding))
    return table


def settings(source: str, location: Path | str) -> Dataset:
    return Dataset("mine", source, str(location), None, None)  # type: ignore[arg-type]


def pack(table: Path | str, out: Path, environment: dict[str, str] | None = None) -> str:
    facts = fetch(settings("csv", table), out, environment or {}, lambda done, total: None)
    assert facts["source"] == "csv"
    return str(facts["sha256"])


def refusal(table: Path, tmp_path: Path) -> str:
    with pytest.raises(ErktError) as caught:
        pack(table, tmp_path / "out" / "raw")
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path / "out") == []
    return str(caught.value)


def test_a_table_gives_the_archive_that_class_folders_give(tmp_path: Path) -> None:
    for name, data in IMAGES.items():
        (tmp_path / "folders" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folders" / name).write_bytes(data)
    fetch(settings("folder", tmp_path / "folders"), tmp_path / "one", {}, lambda done, total: None)
    pack(write(tmp_path / "table", ROWS), tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with zipfile.ZipFile(tmp_path / "two") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == IMAGES


def test_order_of_rows_and_columns_and_the_spreadsheet_change_nothing(tmp_path: Path) -> None:
    plain = pack(write(tmp_path, ROWS), tmp_path / "raw")
    assert pack(write(tmp_path, [ROWS[0], *reversed(ROWS[1:])]), tmp_path / "raw") == plain
    swapped = [",".join(reversed(row.split(","))) for row in ROWS]
    assert pack(write(tmp_path, swapped), tmp_path / "raw") == plain
    assert pack(write(tmp_path, [*ROWS, ""], "utf-8-sig", "\r\n"), tmp_path / "raw") == plain


def test_paths_start_at_the_table_or_at_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = pack(write(tmp_path / "a", ROWS), tmp_path / "raw")
    rows = [ROWS[0], *(f"{tmp_path}/a/{row}" for row in ROWS[1:])]
    (tmp_path / "b").mkdir()
    table = write(tmp_path / "b", rows)
    monkeypatch.chdir(tmp_path / "b")
    assert pack("images.csv", tmp_path / "raw") == plain
    assert pack("$TABLE", tmp_path / "raw", {"TABLE": str(table)}) == plain


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("pictures/x/3.png,a", "row 5: no file '{folder}/pictures/x/3.png'; a relative path starts at"),
        ("pictures,a.png", "row 5: 'pictures' does not end as an image does"),
        ("pictures/x/2.png,b c", "row 5: 'pictures/x/2.png' is the same image as in row 2"),
        (
            "pictures/y/2.png,b c",
            "row 5: 'pictures/y/2.png' is another image of this label and file name as in row 2",
        ),
        ("pictures/x/2.png,", "row 5: the label is empty"),
        ("pictures/x/2.png,  ", "row 5: the label is empty"),
        ("pictures/x/2.png, c", "row 5: the label ' c' begins or ends with a space"),
        ("pictures/x/2.png,b/c", "row 5: the label 'b/c' cannot be a folder's name"),
        ("pictures/x/2.png,b\\c", "cannot be a folder's name"),
        ("pictures/x/2.png,..", "row 5: the label '..' cannot be a folder's name"),
        ("pictures/x/2.png,.hidden", "row 5: the label '.hidden' cannot be a folder's name"),
        ("pictures/x/2.png,__MACOSX", "cannot be a folder's name"),
        ("pictures/x/2.png,a\u2028b", "a control character, line break"),
        ("pictures/x/2.txt,c", "row 5: '2.txt' does not end as an image does"),
        (",c", "row 5: '' does not end as an image does"),
        ("pictures/x/2.png", "row 5: 1 cells, expected 2"),
        ("pictures/x/2.png,c,0.5", "row 5: 3 cells, expected 2"),
        ('"pictures/x/2.png,c', "not readable as CSV"),
        ("./pictures/y/../x/2.png,d", "is the same image as in row 2"),
        ("pictures/y/2.png,A", "the folders 'A' and 'a' differ only in case"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, expected: str) -> None:
    table = write(tmp_path / "table", [*ROWS, row])
    (tmp_path / "table" / "pictures" / "y" / "2.png").write_bytes(b"another two")
    message = refusal(table, tmp_path)
    assert expected.format(folder=table.parent) in message
    assert str(table) in message


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            ["path,label,weight", "pictures/x/2.png,a,1"],
            "expected the columns path,label, found path,label,weight",
        ),
        (["Path,label", "pictures/x/2.png,a"], "found Path,label"),
        (["path,path", "a,b"], "found path,path"),
        (["pictures/x/2.png,a"], "expected the columns path,label, found pictures/x/2.png,a"),
        ([""], "found none"),
        (["path,label"], "lists no images"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path: Path, rows: list[str], expected: str) -> None:
    assert expected in refusal(write(tmp_path / "table", rows), tmp_path)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    table = write(tmp_path / "table", [*ROWS, "pictures/x/ü.png,a"], "latin-1")
    assert "not readable as CSV in UTF-8" in refusal(table, tmp_path)
    assert "no such file; location is the CSV file" in refusal(table.parent, tmp_path)
    assert "no such file" in refusal(tmp_path / "gone.csv", tmp_path)
