"""The members of a zip or tar archive, one after the other, without unpacking.

Nothing is ever extracted to disk: a member is a name and a function that returns its bytes. So no member can
leave a folder, follow a link or overwrite a file. Names that would do so elsewhere (absolute, ``..``, links,
devices) are refused all the same, because an archive of images has no reason to hold them.

Archives come from the network, so what the standard library passes over in silence is checked: a tar whose
next header is damaged or missing ends early without an error, and the checksum of a compressed tar is
compared only by who reads to its end.
"""

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from erkt.errors import ErktError

# A scene of 10 000 x 10 000 pixels is 300 MB uncompressed; what declares more is a bomb or not one scene.
MAX_MEMBER_BYTES = 512 * 2**20

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # the first member, or the end record of an empty archive
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

    Raises ErktError naming the archive, and the member where there is one: missing, neither zip nor tar, cut
    short or damaged; a member with an unsafe name, that is a link or device, is encrypted, or is larger than
    ``MAX_MEMBER_BYTES``.
    """
    where = called or str(path)
    try:
        with path.open("rb") as file:
            head = file.read(6)
    except OSError as error:
        raise ErktError(f"{where}: not readable: {error.strerror}") from error
    yield from (_zip_members if head.startswith(_ZIP_MAGIC) else _tar_members)(path, where)


def _zip_members(path: Path, where: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
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
            yield name, partial(_read_zip, archive, info, place)


def _read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: str) -> bytes:
    with _one_line(place), archive.open(info) as file:
        # The declared size bounds what is unfolded; a member that lies about it fails its checksum.
        return file.read(info.file_size)


def _tar_members(path: Path, where: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with _one_line(where), _uncompressed(path) as stream:
        try:
            archive = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115 (the stream is what gets closed)
        except tarfile.ReadError:
            raise ErktError(f"{where}: neither a zip nor a tar archive") from None
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
                yield name, partial(_read_tar, archive, info, place)
        with _one_line(f"{where}: after member {last!r}"):
            _check_end(stream, archive.offset)


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


def _check_end(stream: io.BufferedIOBase, offset: int) -> None:
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


def _check_size(size: int, place: str) -> None:
    if size > MAX_MEMBER_BYTES:
        raise ErktError(f"{place} declares {size} bytes; at most {MAX_MEMBER_BYTES} are read")


@contextmanager
def _one_line(place: str) -> Iterator[None]:
    """Turn whatever the standard library raises for a bad archive into one ErktError."""
    try:
        yield
    except _BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ErktError(f"{place}: the archive is cut short or damaged ({reason})") from error
