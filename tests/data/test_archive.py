import gzip
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from packed import refused, tar_of, write, zip_of

from erkt.data import archive
from erkt.data.archive import entries, members

FILES = {"b/2.jpg": b"two" * 700, "a/1.jpg": b"", "a/ü 3.jpg": os.urandom(3000)}
TARS = ["w:", "w:gz", "w:bz2", "w:xz"]


def read_all(path: Path) -> list[tuple[str, bytes]]:
    return [(name, read()) for name, read in members(path)]


def refusal(path: Path, data: bytes) -> str:
    message = refused(read_all, write(path, data))
    assert str(path) in message
    return message


def patched(data: bytes, field: str, local: int, central: int, value: int) -> bytes:
    """Return a zip with ``value`` written into both headers of its last member; 0 for no local place."""
    changed = bytearray(data)
    for magic, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        if offset:
            struct.pack_into(field, changed, changed.rindex(magic) + offset, value)
    return bytes(changed)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_yields_its_files_in_archive_order(tmp_path: Path, method: int) -> None:
    path = write(tmp_path / "a", zip_of(FILES, method))
    with zipfile.ZipFile(path, "a") as out:
        out.mkdir("c")
        out.comment = b"c" * 65_535
        with out.open("c/4.jpg", "w", force_zip64=True) as member:
            member.write(b"four")
    assert read_all(path) == [*FILES.items(), ("c/4.jpg", b"four")]
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("mode", TARS)
def test_a_tar_yields_its_files_in_archive_order_whatever_its_suffix(tmp_path: Path, mode: str) -> None:
    assert read_all(write(tmp_path / "a.zip", tar_of(FILES, mode))) == list(FILES.items())
    assert os.listdir(tmp_path) == ["a.zip"]


@pytest.mark.parametrize("dialect", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_folders_of_both_tar_dialects_are_read(tmp_path: Path, dialect: int) -> None:
    name = "/".join(["folder" * 10] * 5) + "/ü.jpg"
    with tarfile.open(tmp_path / "a.tar", "w", format=dialect) as out:
        folder, info = tarfile.TarInfo("folder"), tarfile.TarInfo(name)
        folder.type, info.size = tarfile.DIRTYPE, 4
        out.addfile(folder)
        out.addfile(info, io.BytesIO(b"long"))
    assert read_all(tmp_path / "a.tar") == [(name, b"long")]


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name", ["/etc/x.jpg", "../x.jpg", "a/../../x.jpg", "a\\..\\x.jpg", "C:\\a\\x.jpg", "\\\\host\\x.jpg"]
)
@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_names_are_relative_or_refused(tmp_path: Path, name: str, pack: type) -> None:
    plain = write(tmp_path / "plain", pack({"./top//b\\c.jpg": b"x"}))
    assert read_all(plain) == [("top/b/c.jpg", b"x")]
    message = refusal(tmp_path / "a", pack({"a/ok.jpg": b"x", name: b"x"}))
    assert f"{name!r} would leave its folder" in message


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a/x.jpg", "a/X.JPG", "'a/x.jpg' and 'a/X.JPG' differ only in case"),
        ("a/\u00c9.jpg", "a/e\u0301.jpg", "differ only in case"),
        ("a/\u00e9.jpg", "a/e\u0301.jpg", "is there twice, or but for its accents"),
        ("a/x.jpg", "./a//x.jpg", "is there twice"),
        ("a/x.jpg", "a /y.jpg", "'a/' and 'a /' differ only in spaces at an end"),
        ("a/x.jpg", "a/x.jpg ", "differ only in spaces at an end"),
        ("a/x.jpg", "A/y.jpg", "'a/' and 'A/' differ only in case"),
        ("ab/x.jpg", "a\u200bb/y.jpg", "differ only in characters that look alike, or that nobody sees"),
        ("ab/x.jpg", "\ufeffab/y.jpg", "or that nobody sees"),
        ("ab/x.jpg", "\uff41b/y.jpg", "in characters that look alike"),
        ("a b/x.jpg", "a\u00a0b/y.jpg", "in characters that look alike"),
        ("a b/x.jpg", "a  b/y.jpg", "in characters that look alike"),
        ("Train/a/x.jpg", "train/b/y.jpg", "'Train/' and 'train/' differ only in case"),
    ],
)
@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_two_names_that_are_one_on_other_systems_are_refused(
    tmp_path: Path, first: str, second: str, expected: str, pack: type
) -> None:
    message = refusal(tmp_path / "a", pack({first: b"1", "c/other.jpg": b"2", second: b"3"}))
    assert repr(second) in message
    assert expected in message


def test_a_folder_in_two_forms_of_its_accents_is_one_folder(tmp_path: Path) -> None:
    files = {"\u00e9/1.jpg": b"1", "e\u0301/2.jpg": b"2"}
    assert read_all(write(tmp_path / "a.zip", zip_of(files))) == list(files.items())


# ---------------------------------------------------------------- what no archive of images holds


def test_files_may_have_names_that_look_alike(tmp_path: Path) -> None:
    """They are no classes: nobody joins two of them by mistake."""
    names = (
        "a/x2.jpg",
        "a/x\u00b2.jpg",
        "a/x  2.jpg",
        "a/x 2.jpg",
        "a\u00b2/x.jpg",
        "a2/x.jpg",
        "\u2460/x.jpg",
    )
    found = read_all(write(tmp_path / "a", tar_of(dict.fromkeys(names, b"x"))))
    assert [name for name, _ in found] == list(names)


def test_a_folder_of_a_zip_from_windows_is_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "a", zip_of({"harbour\\": b"", "beach\\1.jpg": b"x"}))
    assert [entry for entry, _ in entries(path, called="a")] == ["harbour/", "beach/1.jpg"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        info = tarfile.TarInfo("a/x.jpg")
        info.type, info.linkname = kind, "b/y.jpg"
        made.addfile(info)
    assert "'a/x.jpg' is a link or a device" in refusal(tmp_path / "a.tar", out.getvalue())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (patched(zip_of({"a/x.jpg": b"x"}), "<I", 0, 38, 0o120777 << 16), "'a/x.jpg' is a link or a device"),
        (patched(zip_of({"a/x.jpg": b"x"}), "<H", 6, 8, 1), "'a/x.jpg' is encrypted"),
        (patched(zip_of({"a/x.jpg": b"x"}), "<H", 0, 34, 1), "'a/x.jpg' lies in another part of the archive"),
        (zip_of({"a/x.jpg": b"x"}, zipfile.ZIP_BZIP2), "'a/x.jpg' has compression method 12"),
        (zip_of({"a/x.jpg": b"x"}, zipfile.ZIP_LZMA), "'a/x.jpg' has compression method 14"),
    ],
)
def test_what_a_zip_should_not_hold_is_refused(tmp_path: Path, data: bytes, expected: str) -> None:
    assert expected in refusal(tmp_path / "a.zip", data)


# ---------------------------------------------------------------- bombs


@pytest.mark.parametrize("pack", [zip_of, lambda files: tar_of(files, "w:gz")])
def test_members_above_the_limit_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: type
) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 1000)
    path = write(tmp_path / "a", pack({"a/ok.jpg": bytes(1000), "a/bomb.jpg": bytes(1001)}))
    found = members(path)
    assert len(next(found)[1]()) == 1000
    assert "'a/bomb.jpg' declares 1001 bytes" in refused(next, found)


def test_a_zip_member_that_unfolds_to_more_than_it_declares_is_refused(tmp_path: Path) -> None:
    bomb = zip_of({"a/bomb.jpg": bytes(20 * 2**20)}, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        assert "'a/bomb.jpg'" in refusal(tmp_path / "a.zip", patched(bomb, "<I", 22, 24, 10))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_what_unfolds_to_much_more_than_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MIN_TOTAL_BYTES", 100_000)
    monkeypatch.setattr(archive, "MAX_UNFOLDING", 20)
    flat = {f"a/{i}.jpg": bytes(10_000) for i in range(30)}
    noise = {f"a/{i}.jpg": os.urandom(10_000) for i in range(30)}
    for data in (zip_of(flat, zipfile.ZIP_DEFLATED), *(tar_of(flat, mode) for mode in TARS[1:])):
        assert "unfolds to more than 100000 bytes" in refusal(tmp_path / "bomb", data)
    for data in (zip_of(noise, zipfile.ZIP_DEFLATED), tar_of(noise, "w:gz"), tar_of(flat)):
        assert len(read_all(write(tmp_path / "good", data))) == 30


ABOUT = [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE]


def header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", ABOUT)
@pytest.mark.parametrize("place", ["first", "later"])
def test_a_name_of_many_megabytes_is_refused_before_it_is_read(
    tmp_path: Path, kind: bytes, place: str
) -> None:
    before = tar_of({"a/1.jpg": b"1"})[:1024] if place == "later" else b""
    size = 40 * 2**20
    bomb = gzip.compress(before + header("long", size, kind) + bytes(size), 1)
    tracemalloc.start()
    try:
        assert f"a header that declares {size} bytes" in refusal(tmp_path / "a.tar.gz", bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("member", [("a", -1024, tarfile.DIRTYPE), ("a/1.jpg", -512, tarfile.REGTYPE)])
def test_a_tar_that_would_never_end_is_refused(tmp_path: Path, member: tuple[str, int, bytes]) -> None:
    refusal(tmp_path / "a.tar", tar_of({"a/0.jpg": b"0"})[:1024] + header(*member) + bytes(2048))
    pax = tarfile.TarInfo("a")
    pax.type, pax.pax_headers = member[2], {"size": "-4096"}
    blocks = tar_of({"a/0.jpg": b"0"})[:1024] + pax.tobuf(tarfile.PAX_FORMAT)
    refusal(tmp_path / "b.tar", blocks + bytes(2048))


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_what_is_no_member_and_unfolds_all_the_same_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(archive, "MIN_TOTAL_BYTES", 100_000)
    monkeypatch.setattr(archive, "MAX_UNFOLDING", 1)
    empty = tar_of({f"a/{number}.jpg": b"" for number in range(300)}, mode)
    assert "unfolds to more than 100000 bytes" in refusal(tmp_path / "names", empty)
    padded = tar_of({"a/1.jpg": b"1"}) + bytes(2 * 2**20)
    pack = gzip.compress if mode == "w:gz" else lzma.compress
    assert "unfolds to more than 100000 bytes" in refusal(tmp_path / "padding", pack(padded))


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("mode", TARS)
def test_a_tar_is_refused_wherever_it_is_cut(tmp_path: Path, mode: str) -> None:
    whole = tar_of({f"a/{i}.jpg": os.urandom(1200) for i in range(4)}, mode)
    # Up to the first of the closing blocks of zeros every cut loses something; a plain tar may lose padding.
    end = len(whole.rstrip(b"\0")) if mode == "w:" else len(whole)
    for cut in [*range(0, end, 256), end - 1]:
        refusal(tmp_path / "cut", whole[:cut])


def test_a_zip_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = zip_of(FILES)
    for cut in range(0, len(whole), 97):
        refusal(tmp_path / "cut", whole[:cut])


def test_damage_that_the_standard_library_passes_over_is_refused(tmp_path: Path) -> None:
    header = tar_of(FILES).replace(b"a/1.jpg", b"a/7.jpg")  # else the archive ends there in silence
    assert "cut short or damaged" in refusal(tmp_path / "a.tar", header)
    checksum = bytearray(tar_of(FILES, "w:gz"))
    checksum[-8] ^= 1
    assert "CRC" in refusal(tmp_path / "a.tgz", bytes(checksum))
    member = zip_of(FILES).replace(b"twotwo", b"twoTwo", 1)
    assert "'b/2.jpg': the archive is cut short or damaged" in refusal(tmp_path / "a.zip", member)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>not found</html>" * 50, b"Rar!\x1a\x07\x00" + bytes(999), gzip.compress(b"x" * 999)],
    ids=["empty", "page", "rar", "gzip"],  # a gzip header holds the time: as an id it differs between workers
)
def test_what_is_neither_zip_nor_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    message = refusal(tmp_path / "a.zip", content)
    assert "neither a zip nor a tar archive, cut short, or one of several parts; pack the images" in message


def test_a_missing_archive_is_named_as_it_is_asked_for(tmp_path: Path) -> None:
    assert "No such file" in refused(read_all, tmp_path / "gone.zip")
    assert refused(next, members(tmp_path / "gone.zip", called="the archive")).startswith("the archive: ")


def test_an_error_of_the_reader_is_not_taken_for_a_bad_archive(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", tar_of(FILES))

    def stumble() -> None:
        for _ in members(path):
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        stumble()
