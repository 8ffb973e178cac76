import hashlib
import io
import os
import socket
import tarfile
import zipfile
from pathlib import Path

import pytest

from erkt.data.sources import fetch
from erkt.errors import ErktError
from erkt.params.dataset import Dataset, Scenes


def archive_bytes(size: int = 3000) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/1.jpg", bytes(size))
        archive.writestr("b/2.jpg", b"two")
    return out.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def from_archive(location: str, digest: str | None = None) -> Dataset:
    return Dataset("demo", "archive", location, digest, None)


def from_folder(location: Path) -> Dataset:
    return Dataset("demo", "folder", str(location), None, None)


def ignore(done: int, total: int | None) -> None:
    pass


def refusal(settings: Dataset, out: Path, environment: dict[str, str] | None = None) -> str:
    """Return the message with which fetching is refused, having checked that ``out`` stays as it was."""
    out.parent.mkdir(exist_ok=True)
    for before in (None, b"a good archive"):
        if before is not None:
            out.write_bytes(before)
        with pytest.raises(ErktError) as caught:
            fetch(settings, out, environment or {}, ignore)
        assert os.listdir(out.parent) == ([] if before is None else [out.name])
        assert before is None or out.read_bytes() == before
        assert "\n" not in str(caught.value)
    out.unlink()
    return str(caught.value)


# ---------------------------------------------------------------- archives on disk


def test_a_local_archive_is_copied_whole_and_described(tmp_path: Path) -> None:
    data = archive_bytes()
    (tmp_path / "my.zip").write_bytes(data)
    seen: list[tuple[int, int | None]] = []
    facts = fetch(
        from_archive(str(tmp_path / "my.zip")), tmp_path / "out" / "raw", {}, lambda *x: seen.append(x)
    )
    assert facts == {"name": "demo", "source": "archive", "sha256": sha256(data), "bytes": len(data)}
    assert (tmp_path / "out" / "raw").read_bytes() == data
    assert seen == [(len(data), len(data))]
    assert (tmp_path / "out" / "raw").stat().st_ino != (tmp_path / "my.zip").stat().st_ino


def test_a_large_archive_arrives_in_pieces_that_are_reported(tmp_path: Path) -> None:
    data = archive_bytes(5 * 2**19)
    (tmp_path / "my.zip").write_bytes(data)
    seen: list[tuple[int, int | None]] = []
    facts = fetch(from_archive(str(tmp_path / "my.zip")), tmp_path / "raw", {}, lambda *x: seen.append(x))
    assert [done for done, _ in seen] == [2**20, 2**21, len(data)]
    assert facts["sha256"] == sha256(data)


def test_a_pinned_archive_is_taken_only_with_its_digest(tmp_path: Path) -> None:
    data = archive_bytes()
    (tmp_path / "my.zip").write_bytes(data)
    fetch(from_archive(str(tmp_path / "my.zip"), sha256(data)), tmp_path / "raw", {}, ignore)
    message = refusal(from_archive(str(tmp_path / "my.zip"), "0" * 64), tmp_path / "out" / "raw")
    assert sha256(data) in message
    assert "0" * 64 in message


def test_a_tar_is_taken_as_well(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "my.tar.xz", "w:xz") as archive:
        archive.addfile(tarfile.TarInfo("a/1.jpg"))
    fetch(from_archive(str(tmp_path / "my.tar.xz")), tmp_path / "raw", {}, ignore)
    assert (tmp_path / "raw").read_bytes() == (tmp_path / "my.tar.xz").read_bytes()


def test_an_archive_that_is_none_or_is_cut_is_refused_by_the_users_name(tmp_path: Path) -> None:
    path = tmp_path / "my.zip"
    for content in (b"<html>log in first</html>", archive_bytes()[:-30]):
        path.write_bytes(content)
        assert str(path) in refusal(from_archive(str(path)), tmp_path / "out" / "raw")


def test_a_location_of_the_wrong_kind_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"junk")
    junk = refusal(from_archive("$DATA/file"), tmp_path / "out" / "raw", {"DATA": str(tmp_path)})
    assert junk.startswith(f"{tmp_path / 'file'}: neither a zip nor a tar")
    out = tmp_path / "out" / "raw"
    assert "no such file" in refusal(from_archive(str(tmp_path / "gone.zip")), out)
    assert "set dataset.source to folder" in refusal(from_archive(str(tmp_path)), out)
    assert "no such folder" in refusal(from_folder(tmp_path / "gone"), out)
    assert "set dataset.source to archive" in refusal(from_folder(tmp_path / "file"), out)


@pytest.mark.parametrize("location", ["$DATA/my.zip", "${DATA}/my.zip", "${MY_ZIP}", "$MY_ZIP", "~/my.zip"])
def test_a_leading_name_is_looked_up_in_the_environment(tmp_path: Path, location: str) -> None:
    (tmp_path / "my.zip").write_bytes(archive_bytes())
    environment = {"DATA": str(tmp_path), "MY_ZIP": str(tmp_path / "my.zip"), "HOME": str(tmp_path)}
    fetch(from_archive(location), tmp_path / "raw", environment, ignore)
    assert (tmp_path / "raw").read_bytes() == archive_bytes()


@pytest.mark.parametrize("environment", [{}, {"DATA": ""}])
def test_a_name_that_is_not_set_is_asked_for(tmp_path: Path, environment: dict[str, str]) -> None:
    assert "set DATA to" in refusal(from_archive("${DATA}/my.zip"), tmp_path / "out" / "raw", environment)


# ---------------------------------------------------------------- folders


def make_folder(root: Path) -> Path:
    for name, data in {"b c/2.png": b"two", "a/1.jpg": b"one", "b c/10.PNG": b"ten", "b/x.tif": b"x"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_a_folder_becomes_a_stored_zip_of_its_images_in_key_order(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "root")
    for ignored in (
        "README.txt",
        "a/notes.txt",
        "a/.hidden.jpg",
        "a/Thumbs.db",
        ".git/x.jpg",
        "__MACOSX/x.jpg",
    ):
        (root / ignored).parent.mkdir(exist_ok=True)
        (root / ignored).write_bytes(b"not an image")
    seen: list[tuple[int, int | None]] = []
    facts = fetch(from_folder(root), tmp_path / "raw", {}, lambda *x: seen.append(x))
    with zipfile.ZipFile(tmp_path / "raw") as archive:
        found = [(info.filename, archive.read(info), info.compress_type) for info in archive.infolist()]
    expected = [("a/1.jpg", b"one"), ("b/x.tif", b"x"), ("b c/10.PNG", b"ten"), ("b c/2.png", b"two")]
    assert found == [(*pair, zipfile.ZIP_STORED) for pair in expected]
    assert facts["sha256"] == sha256((tmp_path / "raw").read_bytes())
    assert seen == [(3, 10), (4, 10), (7, 10), (10, 10)]


def test_the_zip_of_a_folder_depends_on_names_and_bytes_alone(tmp_path: Path) -> None:
    roots = [make_folder(tmp_path / name) for name in ("one", "two")]
    os.utime(roots[1] / "a" / "1.jpg", (10**9, 10**9))
    (roots[1] / "a" / "1.jpg").chmod(0o600)
    (roots[1] / "notes.txt").write_text("not an image")
    digests = [fetch(from_folder(root), tmp_path / "raw", {}, ignore)["sha256"] for root in roots]
    (roots[1] / "a" / "1.jpg").write_bytes(b"One")
    digests.append(fetch(from_folder(roots[1]), tmp_path / "raw", {}, ignore)["sha256"])
    assert digests[0] == digests[1] != digests[2]


def test_links_in_a_folder_are_followed(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "root")
    whole = fetch(from_folder(root), tmp_path / "raw", {}, ignore)["sha256"]
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "b").symlink_to(root / "b")
    (linked / "b c").symlink_to(root / "b c")
    (linked / "a").mkdir()
    (linked / "a" / "1.jpg").symlink_to(root / "a" / "1.jpg")
    assert fetch(from_folder(linked), tmp_path / "raw", {}, ignore)["sha256"] == whole


def test_a_folder_of_another_shape_is_refused_naming_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out" / "raw"
    root = make_folder(tmp_path / "deep")
    (root / "a" / "sub").mkdir()
    assert f"{root / 'a' / 'sub'}: a folder in a class folder" in refusal(from_folder(root), out)
    root = make_folder(tmp_path / "flat")
    (root / "x.jpg").write_bytes(b"x")
    assert "'x.jpg' lies in no class folder" in refusal(from_folder(root), out)
    root = make_folder(tmp_path / "dangling")
    (root / "a" / "9.jpg").symlink_to(root / "gone")
    assert f"{root / 'a' / '9.jpg'}: a dangling link" in refusal(from_folder(root), out)
    root = make_folder(tmp_path / "socket")
    monkeypatch.chdir(root / "a")  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind("9.jpg")
    assert f"{root / 'a' / '9.jpg'}: a dangling link or a device" in refusal(from_folder(root), out)


def test_two_files_that_differ_only_in_how_an_accent_is_written_are_refused(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "root")
    (root / "a" / "\u00e9.jpg").write_bytes(b"composed")
    (root / "a" / "e\u0301.jpg").write_bytes(b"decomposed")
    assert "once their accents are composed" in refusal(from_folder(root), tmp_path / "out" / "raw")


# ---------------------------------------------------------------- drawn scenes


def test_scenes_are_drawn_into_the_archive(tmp_path: Path) -> None:
    settings = Dataset("demo", "scenes", None, None, Scenes(per_class=1, side=32, seed=3))
    facts = fetch(settings, tmp_path / "raw", {}, ignore)
    data = (tmp_path / "raw").read_bytes()
    assert facts == {"name": "demo", "source": "scenes", "sha256": sha256(data), "bytes": len(data)}
    with zipfile.ZipFile(tmp_path / "raw") as archive:
        classes = [name.split("/")[-2] for name in archive.namelist()]
    assert len(classes) == len(set(classes)) > 1
