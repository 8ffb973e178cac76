import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from erkt.data import archive
from erkt.data.archive import members
from erkt.errors import ErktError

FILES = {
    "b/2.jpg": b"two" * 700,
    "a/1.jpg": b"",
    "a/ü 3.jpg": os.urandom(3000),
}
TARS = ["w:", "w:gz", "w:bz2", "w:xz"]


def make_zip(path: Path, files: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        out.mkdir("b")
        for name, data in files:
            out.writestr(name, data)
    return path


def make_tar(path: Path, files: Iterable[tuple[str, bytes]], mode: str = "w:") -> Path:
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("b")
        folder.type = tarfile.DIRTYPE
        out.addfile(folder)
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def read_all(path: Path) -> list[tuple[str, bytes]]:
    return [(name, read()) for name, read in members(path)]


def refusal(path: Path) -> str:
    with pytest.raises(ErktError) as caught:
        read_all(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_zip_yields_its_files_in_archive_order(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert read_all(make_zip(tmp_path / "a", FILES.items(), method)) == list(FILES.items())


@pytest.mark.parametrize("mode", TARS)
def test_a_tar_yields_its_files_in_archive_order_whatever_its_suffix(tmp_path: Path, mode: str) -> None:
    assert read_all(make_tar(tmp_path / "a.zip", FILES.items(), mode)) == list(FILES.items())


def test_the_long_names_of_both_tar_dialects_are_read(tmp_path: Path) -> None:
    name = "/".join(["folder" * 10] * 5) + "/ü.jpg"
    for dialect in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(tmp_path / "a.tar", "w", format=dialect) as out:
            info = tarfile.TarInfo(name)
            info.size = 4
            out.addfile(info, io.BytesIO(b"long"))
        assert read_all(tmp_path / "a.tar") == [(name, b"long")]


def test_nothing_is_written_beside_the_archive(tmp_path: Path) -> None:
    read_all(make_tar(tmp_path / "a.tgz", FILES.items(), "w:gz"))
    read_all(make_zip(tmp_path / "b.zip", FILES.items()))
    assert sorted(os.listdir(tmp_path)) == ["a.tgz", "b.zip"]


def test_names_are_plain_relative_paths(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("./top//b\\c.jpg", b"x")])
    assert read_all(path) == [("top/b/c.jpg", b"x")]


@pytest.mark.parametrize(
    "name", ["/etc/x.jpg", "../x.jpg", "a/../../x.jpg", "a\\..\\x.jpg", "C:\\a\\x.jpg", "\\\\host\\x.jpg"]
)
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    for path in (
        make_zip(tmp_path / "a.zip", [("a/ok.jpg", b"x"), (name, b"x")]),
        make_tar(tmp_path / "a.tar", [("a/ok.jpg", b"x"), (name, b"x")]),
    ):
        message = refusal(path)
        assert repr(name) in message
        assert "leave its folder" in message


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as out:
        info = tarfile.TarInfo("a/x.jpg")
        info.type, info.linkname = kind, "b/y.jpg"
        out.addfile(info)
    assert "'a/x.jpg' is a link or a device" in refusal(tmp_path / "a.tar")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        info = zipfile.ZipInfo("a/x.jpg")
        info.external_attr = 0o120777 << 16
        out.writestr(info, "target")
    assert "'a/x.jpg' is a link or a device" in refusal(tmp_path / "a.zip")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("a/x.jpg", b"x")])
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rindex(magic) + offset] |= 1
    path.write_bytes(data)
    assert "'a/x.jpg' is encrypted" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_method_without_bounded_decoding_is_refused(tmp_path: Path, method: int) -> None:
    path = make_zip(tmp_path / "a.zip", [("a/x.jpg", b"x" * 100)], method)
    assert f"compression method {method}" in refusal(path)


def test_members_above_the_limit_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 1000)
    for path in (
        make_zip(tmp_path / "a.zip", [("a/ok.jpg", bytes(1000)), ("a/bomb.jpg", bytes(1001))]),
        make_tar(tmp_path / "a.tgz", [("a/ok.jpg", bytes(1000)), ("a/bomb.jpg", bytes(1001))], "w:gz"),
    ):
        found = members(path)
        assert len(next(found)[1]()) == 1000
        with pytest.raises(ErktError, match=r"'a/bomb.jpg' declares 1001 bytes"):
            next(found)


def test_a_zip_member_that_unfolds_to_more_than_it_declares_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("a/bomb.jpg", bytes(20 * 2**20))])
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.rindex(magic) + offset, 10)
    path.write_bytes(data)
    tracemalloc.start()
    try:
        assert "'a/bomb.jpg'" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_damaged_zip_member_is_named(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", FILES.items(), zipfile.ZIP_STORED)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"twotwo", b"twoTwo", 1))
    assert "'b/2.jpg'" in refusal(path)


@pytest.mark.parametrize("mode", TARS)
def test_a_tar_is_refused_wherever_it_is_cut(tmp_path: Path, mode: str) -> None:
    files = [(f"a/{i}.jpg", os.urandom(1200)) for i in range(4)]
    whole = make_tar(tmp_path / "whole", files, mode).read_bytes()
    path = tmp_path / "cut"
    # Up to the first of the closing blocks of zeros every cut loses something; a plain tar may lose padding.
    end = len(whole.rstrip(b"\0")) if mode == "w:" else len(whole)
    for cut in [*range(0, end, 256), end - 1]:
        path.write_bytes(whole[:cut])
        refusal(path)


def test_a_tar_cut_at_a_member_names_the_one_before(tmp_path: Path) -> None:
    whole = make_tar(tmp_path / "whole", FILES.items()).read_bytes()
    path = tmp_path / "cut.tar"
    path.write_bytes(whole[: whole.index(b"a/1.jpg")])
    assert "after member 'b/2.jpg'" in refusal(path)


def test_a_tar_with_a_damaged_header_does_not_end_early_in_silence(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", FILES.items())
    data = path.read_bytes()
    path.write_bytes(data.replace(b"a/1.jpg", b"a/7.jpg"))
    assert "after member 'b/2.jpg'" in refusal(path)


def test_a_compressed_tar_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tgz", FILES.items(), "w:gz")
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    assert "CRC" in refusal(path)


def test_a_zip_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = make_zip(tmp_path / "whole", FILES.items()).read_bytes()
    path = tmp_path / "cut"
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        refusal(path)


# ---------------------------------------------------------------- bombs


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MIN_TOTAL_BYTES", 100_000)
    monkeypatch.setattr(archive, "MAX_UNFOLDING", 20)


@pytest.mark.usefixtures("low_limits")
def test_what_unfolds_to_much_more_than_its_size_is_refused(tmp_path: Path) -> None:
    many = [(f"a/{i}.jpg", bytes(10_000)) for i in range(30)]
    for path in (
        make_zip(tmp_path / "a.zip", many),
        *(make_tar(tmp_path / mode, many, mode) for mode in TARS[1:]),
    ):
        assert path.stat().st_size < 15_000
        assert "unfolds to more than 100000 bytes" in refusal(path)
        assert len(read_all(make_zip(tmp_path / "few.zip", many[:10]))) == 10
    assert len(read_all(make_tar(tmp_path / "plain", many, "w:"))) == 30
    noise = [(f"a/{i}.jpg", os.urandom(10_000)) for i in range(30)]
    assert read_all(make_zip(tmp_path / "noise.zip", noise)) == noise
    assert read_all(make_tar(tmp_path / "noise.tgz", noise, "w:gz")) == noise


@pytest.mark.usefixtures("low_limits")
def test_what_unfolds_behind_the_end_of_a_tar_counts_as_well(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "plain", FILES.items()).read_bytes()
    (tmp_path / "a.tgz").write_bytes(gzip.compress(tar + bytes(10_000_000)))
    assert "unfolds to more than" in refusal(tmp_path / "a.tgz")


def test_a_tar_header_of_gigabytes_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library reads extended headers into memory at the size that they declare."""
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 50_000)
    info = tarfile.TarInfo("a/x.jpg")
    info.pax_headers = {"comment": "x" * 20_000_000}
    with tarfile.open(tmp_path / "a.tgz", "w:gz", format=tarfile.PAX_FORMAT) as out:
        out.addfile(info)
    tracemalloc.start()
    try:
        assert "a header declares 200" in refusal(tmp_path / "a.tgz")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    assert len(read_all(make_zip(tmp_path / "a.zip", FILES.items()))) == 3
    four = [*FILES.items(), ("a/4.jpg", b"four")]
    for path in (make_zip(tmp_path / "a.zip", four), make_tar(tmp_path / "a.tar", four)):
        assert "more than 3 members" in refusal(path)


# ---------------------------------------------------------------- names that are one name elsewhere


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a/x.jpg", "a/X.jpg", "'a/x.jpg' differ only in case or accents"),
        ("a/x.jpg", "a/x.JPG", "'a/x.jpg' differ only in case or accents"),
        ("a/\u00e9.jpg", "a/e\u0301.jpg", "differ only in case or accents"),
        ("a/\u00c9.jpg", "a/e\u0301.jpg", "differ only in case or accents"),
        ("a/x.jpg", "./a//x.jpg", "is there twice"),
        ("x", "x", "is there twice"),
        ("a/x.jpg", "A/y.jpg", "the folders 'a' and 'A' differ only in case"),
        ("Train/a/x.jpg", "train/b/y.jpg", "the folders 'Train' and 'train' differ only in case"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_names_that_are_one_on_other_systems_are_refused(
    tmp_path: Path, first: str, second: str, expected: str
) -> None:
    files = [(first, b"1"), ("c/other.jpg", b"2"), (second, b"3")]
    for path in (make_zip(tmp_path / "a.zip", files), make_tar(tmp_path / "a.tar", files)):
        message = refusal(path)
        assert repr(second) in message
        assert expected in message


def test_a_folder_in_two_forms_of_its_accents_is_one_folder(tmp_path: Path) -> None:
    files = [("\u00e9/1.jpg", b"1"), ("e\u0301/2.jpg", b"2")]
    assert read_all(make_zip(tmp_path / "a.zip", files)) == files


# ---------------------------------------------------------------- other archives


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(500), "a 7z archive, neither a zip nor a tar; unpack it"),
        (b"Rar!\x1a\x07\x00" + bytes(500), "a RAR archive, neither a zip nor a tar; unpack it"),
        (b"Rar!\x1a\x07\x01\x00" + bytes(500), "a RAR archive, neither a zip nor a tar; unpack it"),
        (b"PK\x07\x08PK\x03\x04" + bytes(500), "one part of an archive in several parts; join them"),
    ],
)
def test_archives_of_other_kinds_are_named_with_what_to_do(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    message = refusal(tmp_path / "a.zip")
    assert expected in message
    assert message.endswith("pack the images again as one zip, or set dataset.source to folder")


def test_the_last_part_of_several_is_named_as_such(tmp_path: Path) -> None:
    """Disk numbers in the end record count the parts; the last one may begin in the midst of a member."""
    data = bytearray(make_zip(tmp_path / "a.zip", FILES.items()).read_bytes())
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<HH", data, end + 4, 2, 1)
    for part in (data, data[1000:]):
        (tmp_path / "a.zip").write_bytes(part)
        assert "one part of an archive in several parts" in refusal(tmp_path / "a.zip")
    # With zip64, a locator before the end record counts them.
    struct.pack_into("<HH", data, end + 4, 0, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 1, 0, 3)
    (tmp_path / "a.zip").write_bytes(data[:end] + locator + data[end:])
    assert "one part of an archive in several parts" in refusal(tmp_path / "a.zip")


def test_a_zip_with_a_comment_or_zip64_is_read(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", FILES.items())
    with zipfile.ZipFile(path, "a") as out:
        out.comment = b"c" * 65_535
    assert read_all(path) == list(FILES.items())
    with (
        zipfile.ZipFile(tmp_path / "b.zip", "w") as out,
        out.open("a/1.jpg", "w", force_zip64=True) as member,
    ):
        member.write(b"one")
    assert read_all(tmp_path / "b.zip") == [("a/1.jpg", b"one")]


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>not found</html>" * 50, b"Rar!\x1a\x07\x00" + bytes(1000), gzip.compress(b"x" * 999)],
    ids=["empty", "page", "rar", "gzip"],  # a gzip header holds the time: as an id it differs between workers
)
def test_what_is_neither_zip_nor_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    assert "neither a zip nor a tar" in refusal(tmp_path / "a.zip")


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "gone.zip")


def test_messages_use_the_name_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("nothing")
    with pytest.raises(ErktError, match=r"^the archive: "):
        next(members(tmp_path / "a", called="the archive"))


def test_an_error_of_the_reader_is_not_taken_for_a_bad_archive(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", FILES.items())

    def stumble() -> None:
        for _ in members(path):
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        stumble()
