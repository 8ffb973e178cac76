from pathlib import Path

import pytest
from packed import refused, write

from erkt.files.csv_file import write_csv
from erkt.files.table_file import parse_table, read_table


def test_a_table_comes_back_as_text_whatever_its_cells_hold(tmp_path: Path) -> None:
    rows = [{"name": 'a, "b"\n', "oa": 97.25}, {"name": "海岸\u2028", "oa": 3}]
    write_csv(tmp_path / "table.csv", rows)
    assert read_table(tmp_path / "table.csv") == [
        {"name": 'a, "b"\n', "oa": "97.25"},
        {"name": "海岸\u2028", "oa": "3"},
    ]
    write_csv(tmp_path / "none.csv", [], ["name"])
    assert read_table(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\n1,2\n3\n", "row 2 has 1 cells, expected 2"),
        (b"a,b\n1,2,3\n", "row 1 has 3 cells, expected 2"),
        (b"a,a\n1,2\n", "a column is there twice"),
        (b'a\n"1\n', "not readable as a table"),
        (b"a\n\xff\n", "not readable as a table"),
        (b"a\n" + b"0" * 200_000, "not readable as a table"),
    ],
)
def test_anything_else_is_refused_in_one_line(tmp_path: Path, data: bytes, expected: str) -> None:
    path = write(tmp_path / "table.csv", data)
    message = refused(read_table, path)
    assert str(path) in message
    assert expected in message
    assert refused(parse_table, data, "there").startswith("there: ")


def test_a_table_that_is_missing_or_a_folder_is_named(tmp_path: Path) -> None:
    assert refused(read_table, tmp_path / "none.csv").endswith("none.csv: no such file")
    assert "not readable as a table" in refused(read_table, tmp_path)
