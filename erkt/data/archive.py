"""The members of a zip or tar archive, one after the other, without unpacking.

Nothing is ever extracted to disk: a member is a name and a function that returns its bytes. So no member can
leave a folder, follow a link or overwrite a file. Names that would do so elsewhere (absolute, ``..``, links,
devices) are refused all the same, because an archive of images has no reason to hold them.

Archives come from the network, so what the standard library passes over in silence is checked: a tar whose
next header is damaged or missing ends early without an error, and the checksum of a compressed tar is
compared only by who reads to its end. And no archive is unfolded without bound, whatever it declares.
"""

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from erkt.errors import ErktError

# A scene of 10 000 x 10 000 pixels is 300 MB uncompressed; what declares more is a bomb or not one scene.
MAX_MEMBER_BYTES = 512 * 2**20
MAX_MEMBERS = 2**22  # the largest collections of scenes have a million images
# Images are compressed already and unfold to about their archive's size; flat ones without to 50 times that.
MAX_UNFOLDING = 200
MIN_TOTAL_BYTES = 2**30  # what a small archive may unfold to all the same

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # the first member, or the end record of an empty archive
_PARTS = "one part of an archive in several parts; join them, or unpack them all"
_OTHERS = {
    b"PK\x07\x08": _PARTS,
    b"7z\xbc\xaf\x27\x1c": "a 7z archive, neither a zip nor a tar; unpack it",
    b"Rar!\x1a\x07": "a RAR archive, neither a zip nor a tar; unpack it",
}
_ADVICE = "pack the images again as one zip, or set dataset.source to folder"
_ZIP_TAIL_BYTES = 22 + 2**16 + 20  # the end record with the longest comment, and zip64's locator before it
_BLOCK = 512  # tar's unit; a block of zeros ends the archive
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)


def members(path: Path, called: str | None = None) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield ``(name, read)`` for each file in the archive, in archive order; folders are left out.

    The format (zip; tar, plain or compressed by gzip, bzip2 or xz) is told by content, not by suffix.
    ``name`` is relative, with single slashes; a backslash counts as one, for archives written on Windows.
    ``read()`` returns the member's bytes and must be called before the next member is asked for. ``called``
    names the archive in messages, ``path`` if None.

    Raises ErktError naming the archive, and the member where there is one: missing, neither zip nor tar, one
    part of several, cut short or damaged; a member with an unsafe name, that is a link or device, is
    encrypted, is larger than ``MAX_MEMBER_BYTES``, or whose name is another's but for case or accents; more
    than ``MAX_MEMBERS``; in all more than ``MAX_UNFOLDING`` times the archive's size and ``MIN_TOTAL_BYTES``.
    """
    where = called or str(path)
    try:
        with path.open("rb") as file:
            head = file.read(6)
            is_part = _is_part(file)
        limit = max(MIN_TOTAL_BYTES, MAX_UNFOLDING * path.stat().st_size)
    except OSError as error:
        raise ErktError(f"{where}: not readable: {error.strerror}") from error
    is_zip = head.startswith(_ZIP_MAGIC)
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise ErktError(f"{where}: {what} and {_ADVICE}")
    if is_part and is_zip:
        raise ErktError(f"{where}: {_PARTS} and {_ADVICE}")
    names: dict[str, str] = {}
    for number, (name, place, read) in enumerate(
        (_zip_members if is_zip else _tar_members)(path, where, limit)
    ):
        if number == MAX_MEMBERS:
            raise ErktError(f"{where}: more than {MAX_MEMBERS} members; is it a collection of images?")
        _check_distinct(name, place, names)
        yield name, read


_Members = Iterator[tuple[str, str, Callable[[], bytes]]]


def _zip_members(path: Path, where: str, limit: int) -> _Members:
    total = 0
    with _one_line(where), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            place = f"{where}: member {info.filename!r}"
            name = _safe_name(info.filename, place)
            # Archives written on Windows carry no Unix file type.
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ErktError(f"{place} is a link or a device; pack files and folders only")
            if info.is_dir():
                continue
            if info.flag_bits & 1:
                raise ErktError(f"{place} is encrypted; pack it again without a password")
            # The decoders of the other methods return whatever a few bytes unfold to, in one piece.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ErktError(
                    f"{place} has compression method {info.compress_type}; pack it again with deflate"
                )
            _check_size(info.file_size, place)
            total += info.file_size
            _check_total(total, limit, where)
            yield name, place, partial(_read_zip, archive, info, place)


def _read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: str) -> bytes:
    with _one_line(place), archive.open(info) as file:
        # The declared size bounds what is unfolded; a member that lies about it fails its checksum.
        return file.read(info.file_size)


def _tar_members(path: Path, where: str, limit: int) -> _Members:
    with _one_line(where), _uncompressed(path) as unbounded:
        stream = _Bounded(unbounded, limit, where)
        try:
            archive = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115 (the stream is what gets closed)
        except tarfile.ReadError:
            with path.open("rb") as file:
                what = f"{_PARTS} and {_ADVICE}" if _is_part(file) else "neither a zip nor a tar archive"
            raise ErktError(f"{where}: {what}") from None
        last = ""
        while True:
            with _one_line(f"{where}: after member {last!r}"):
                info = archive.next()
            if info is None:
                break
            last = info.name
            place = f"{where}: member {info.name!r}"
            name = _safe_name(info.name, place)
            if not (info.isfile() or info.isdir()):
                raise ErktError(f"{place} is a link or a device; pack files and folders only")
            _check_size(info.size, place)
            if info.isfile():
                yield name, place, partial(_read_tar, archive, info, place)
        with _one_line(f"{where}: after member {last!r}"):
            _check_end(stream, archive.offset)


class _Bounded(io.RawIOBase):
    """What a compressed tar unfolds to, refused beyond ``limit`` bytes and in pieces larger than a member.

    The standard library reads the headers of a tar into memory at whatever size they declare.
    """

    def __init__(self, stream: io.BufferedIOBase, limit: int, where: str) -> None:
        self._stream, self._limit, self._where = stream, limit, where

    def read(self, size: int = -1, /) -> bytes:
        if size > MAX_MEMBER_BYTES:
            raise ErktError(f"{self._where}: a header declares {size} bytes; pack the images again")
        data = self._stream.read(size)
        _check_total(self._stream.tell(), self._limit, self._where)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        _check_total(offset, self._limit, self._where)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _read_tar(archive: tarfile.TarFile, info: tarfile.TarInfo, place: str) -> bytes:
    with _one_line(place):
        file = archive.extractfile(info)
        return b"" if file is None else file.read()


def _uncompressed(path: Path) -> io.BufferedIOBase:
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if head.startswith(b"BZh"):
        return bz2.open(path)
    return lzma.open(path) if head == b"\xfd7zXZ\x00" else path.open("rb")


def _check_end(stream: _Bounded, offset: int) -> None:
    """Raise EOFError unless a block of zeros is at ``offset``; read on to the end, where checksums are."""
    stream.seek(offset)
    if stream.read(_BLOCK) != bytes(_BLOCK):
        raise EOFError("no end mark")
    while stream.read(2**20):
        pass


def _safe_name(name: str, place: str) -> str:
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or re.fullmatch("[A-Za-z]:", parts[0]) or ".." in parts:
        raise ErktError(f"{place} would leave its folder; pack it again with relative names")
    return "/".join(part for part in parts if part not in ("", "."))


def _check_distinct(name: str, place: str, names: dict[str, str]) -> None:
    """Raise ErktError if ``name`` would be another member's where case or the form of accents do not count.

    ``names`` remembers every file and folder so far. A folder may come in two forms of its accents: keys of
    images have one form, so its images come together.
    """
    composed = unicodedata.normalize("NFC", name)
    *folders, _ = composed.split("/")
    for depth in range(1, len(folders) + 1):
        folder = "/".join(folders[:depth])
        former = names.setdefault(f"{folder.lower()}/", folder)
        if former != folder:
            raise ErktError(f"{place}: the folders {former!r} and {folder!r} differ only in case; rename one")
    other = names.get(composed.lower())
    if other is not None:
        how = "is there twice" if other == name else f"and {other!r} differ only in case or accents"
        raise ErktError(f"{place} {how}; remove or rename one")
    names[composed.lower()] = name


def _check_size(size: int, place: str) -> None:
    if size > MAX_MEMBER_BYTES:
        raise ErktError(f"{place} declares {size} bytes; at most {MAX_MEMBER_BYTES} are read")


def _check_total(size: int, limit: int, where: str) -> None:
    if size > limit:
        raise ErktError(f"{where}: unfolds to more than {limit} bytes, as a bomb does; {_ADVICE}")


def _is_part(file: IO[bytes]) -> bool:
    """Return whether ``file`` ends with a zip's end record that counts more parts than one."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _ZIP_TAIL_BYTES))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 8:
        return False
    locator = tail[max(0, end - 20) : end]  # zip64 counts the parts there
    parts = struct.unpack_from("<I", locator, 16)[0] if locator.startswith(b"PK\x06\x07") else 1
    return parts > 1 or struct.unpack_from("<H", tail, end + 4)[0] not in (0, 0xFFFF)


@contextmanager
def _one_line(place: str) -> Iterator[None]:
    """Turn whatever the standard library raises for a bad archive into one ErktError."""
    try:
        yield
    except _BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ErktError(f"{place}: the archive is cut short or damaged ({reason})") from error
