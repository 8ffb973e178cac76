"""The page of an experiment against the table that it is made from."""

import csv
from pathlib import Path

import pytest
from closure import ROOT
from made_page import Read

from erkt.errors import ErktError
from erkt.report.table import table_page

TABLES = [
    ROOT / "results/aid100-64/one-low-rate/table9.csv",
    ROOT / "results/aid100-64/one-low-rate/views.csv",
    ROOT / "results/eurosat-tr5/turned-always/search_plain.csv",
]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_committed_tables_are_shown_as_they_are(path: Path) -> None:
    found, rows = Read(table_page(path)), rows_of(path)
    deviates = any(row["std"] for row in rows)
    reference = [row for row in rows if not row.get("difference")]
    for row in rows:
        named = " (reference)" if [row] == reference else ""
        cells = found.row("accuracy", row["label"] + named.strip())
        assert cells[1] == f"{float(row['oa']):.2f}"
        if deviates:
            assert cells[2] == f"{float(row['std']):.2f}"
        if row.get("difference"):
            cells = found.row("differences", row["label"])
            shown = [
                f"{float(row[name]):+.2f}".replace("-", "\u2212") for name in ("difference", "low", "high")
            ]
            assert cells[1:3] == [shown[0], f"{shown[1]} to {shown[2]}"]
            assert cells[-1] == row["verdict"]
    best = max(rows, key=lambda row: float(row["oa"]))
    assert f"The highest is {best['label']}, with {float(best['oa']):.2f}\u00a0%" in found.words["verdict"]


def test_a_search_says_that_it_is_of_the_validation_part() -> None:
    assert "share of validation images" in Read(table_page(TABLES[-1])).words["accuracy"]
    assert "share of test images" in Read(table_page(TABLES[0])).words["accuracy"]


def test_names_are_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    (tmp_path / "t.csv").write_text(f"label,oa,std,runs\n{evil},50.5,,1\nb,60,,1\n", encoding="utf-8")
    (tmp_path / "t.md").write_text(f"# {evil}\n\n    {evil}\n", encoding="utf-8")
    found = Read(table_page(tmp_path / "t.csv"))
    assert "script" not in {tag for tag, _ in found.tags}
    assert found.row("accuracy", evil)[1] == "50.50"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("", "holds no row"),
        ("label,oa,runs\n", "holds no row"),
        ("lead,oa,runs\none,50,1\n", "no table of students or networks"),
        ("label,oa,runs\na,high,1\n", "row 1 is malformed"),
        ("label,oa,runs\na,50,1\nb,50\n", "row 2 has 2 cells, expected 3"),
    ],
)
def test_anything_else_is_refused_in_a_line(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "table.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ErktError, match=message):
        table_page(path)
