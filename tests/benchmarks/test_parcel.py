"""Files in parts that travel one by one, and whole again."""

from pathlib import Path

import pytest

from benchmarks.parcel import join, split
from erkt.errors import ErktError

CONTENT = bytes(range(256)) * 10_000  # 2.56 MB


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    (tmp_path / "images.zip").write_bytes(CONTENT)
    return split(tmp_path / "images.zip", tmp_path / "parts", megabytes=1)


def test_parts_have_the_size_asked_for_and_make_the_file_again(parts: list[Path], tmp_path: Path) -> None:
    *pieces, _ = parts
    assert [piece.stat().st_size for piece in pieces] == [1_000_000, 1_000_000, 560_000]
    (whole,) = join([tmp_path / "parts"], tmp_path / "joined")
    assert whole.name == "images.zip"
    assert whole.read_bytes() == CONTENT


def test_parts_may_lie_in_several_folders(parts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "later").mkdir()
    parts[1].rename(tmp_path / "later" / parts[1].name)
    (whole,) = join([tmp_path / "parts", tmp_path / "later"], tmp_path)
    assert whole.read_bytes() == CONTENT


def test_a_part_that_is_missing_or_damaged_is_named(parts: list[Path], tmp_path: Path) -> None:
    parts[2].write_bytes(b"other")
    with pytest.raises(ErktError, match=r"images\.zip\.002: damaged"):
        join([tmp_path / "parts"], tmp_path / "joined")
    parts[0].unlink()
    with pytest.raises(ErktError, match=r"these parts are missing: images\.zip\.000"):
        join([tmp_path / "parts"], tmp_path / "joined")
    assert not (tmp_path / "joined" / "images.zip").exists()


def test_a_list_that_was_changed_is_refused(parts: list[Path], tmp_path: Path) -> None:
    about = parts[-1]
    about.write_text(about.read_text(encoding="utf-8").replace("images.zip.001", "images.zip.000"))
    with pytest.raises(ErktError, match="damaged"):
        join([tmp_path / "parts"], tmp_path / "joined")


@pytest.mark.parametrize("megabytes", [0, 65])
def test_parts_larger_than_what_travels_are_refused(megabytes: int, tmp_path: Path) -> None:
    (tmp_path / "images.zip").write_bytes(CONTENT)
    with pytest.raises(ErktError, match="from 1 to 64"):
        split(tmp_path / "images.zip", tmp_path / "parts", megabytes)
