"""The members of a zip or tar archive, one after the other, without unpacking.

Nothing is ever extracted to disk: a member is a name and a function that returns its bytes. So no member can
leave a folder, follow a link or overwrite a file. Names that would do so elsewhere (absolute, ``..``, links,
devices) are refused all the same, because an archive of images has no reason to hold them.

Archives come from the network, so what the standard library passes over in silence is checked: a tar whose
next header is damaged or missing ends early without an error, one whose sizes are negative never ends, and
the checksum of a compressed tar is compared only by who reads to its end. And no member, name or padding is
unfolded without bound, whatever it declares: three gigabytes of zeros as a name are three megabytes of gzip.
"""

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
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from erkt.errors import ErktError

# A scene of 10 000 x 10 000 pixels is 300 MB uncompressed; what declares more is a bomb or not one scene.
MAX_MEMBER_BYTES = 512 * 2**20
# Images are compressed already and unfold to about their archive's size; flat ones without to 50 times that.
MAX_UNFOLDING = 200
MIN_TOTAL_BYTES = 2**30  # what a small archive may unfold to all the same
_MAX_NAME_BYTES = 2**20  # and what else tar says of a member in blocks of its own

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # the first member, or the end record of an empty archive
_ADVICE = "pack the images again as one zip, or unpack them and set dataset.source to folder"
_NAMES = "unpack it where it was made, or with its encoding (unzip -O), and pack it again with names in UTF-8"
_UTF_8 = 0x800  # a zip member's flag
_UNICODE_PATH = 0x7075  # a zip member's extra field
_WIDTHS = ("<wide>", "<narrow>", "<noBreak>")
_JOINERS, _TAGS = "\u200c\u200d", tuple(map(chr, range(0xE0020, 0xE0080)))  # of scripts, emoji and flags
_BLOCK = 512  # tar's unit; a block of zeros ends the archive
_ABOUT_THE_NEXT = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)
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


@dataclass(frozen=True)
class _Entry:
    """A member as the archive has it; ``refused`` says why it cannot be taken."""

    name: str
    is_folder: bool
    size: int
    refused: str | None
    read: Callable[[], bytes]


def members(path: Path, called: str | None = None) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield ``(name, read)`` for each file in the archive, in archive order; folders are left out.

    The format (zip; tar, plain or compressed by gzip, bzip2 or xz) is told by content, not by suffix.
    ``name`` is relative, with single slashes; a backslash counts as one, for archives written on Windows.
    ``read()`` returns the member's bytes and must be called before the next member is asked for. ``called``
    names the archive in messages, ``path`` if None.

    Raises ErktError naming the archive, and the member where there is one: missing, neither zip nor tar, one
    part of several, cut short or damaged; a member with an unsafe name, that is a link or device, is
    encrypted, has a name in an unknown encoding, is larger than ``MAX_MEMBER_BYTES``, or whose name is
    another's but for case or accents; in all more than ``MAX_UNFOLDING`` times the archive's size and
    ``MIN_TOTAL_BYTES``.
    """
    return ((name, read) for name, read in entries(path, called) if not name.endswith("/"))


def entries(path: Path, called: str | None = None) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield what ``members`` yields, and the folders that the archive names, with a slash at their end."""
    where = called or str(path)
    try:
        with path.open("rb") as file:
            head = file.read(4)
        limit = max(MIN_TOTAL_BYTES, MAX_UNFOLDING * path.stat().st_size)
    except OSError as error:
        raise ErktError(f"{where}: not readable: {error.strerror}") from error
    seen: dict[str, str] = {}
    total = 0
    with _one_line(where):
        is_zip = head in _ZIP_MAGIC
        for entry in _zip(path) if is_zip else _tar(path, where, limit):
            place = f"{where}: member {entry.name!r}"
            if entry.refused:
                raise ErktError(f"{place} {entry.refused}")
            name = _safe_name(entry.name, place)
            if entry.size > MAX_MEMBER_BYTES:
                raise ErktError(f"{place} declares {entry.size} bytes; at most {MAX_MEMBER_BYTES} are read")
            total += entry.size + _BLOCK  # a name takes memory too
            if total > limit:
                raise _bomb(where, limit)
            if not entry.is_folder:
                check_distinct(name, place, seen)
                yield name, partial(_read, entry, place)
            elif name:
                yield f"{name}/", partial(_read, entry, place)


def _read(entry: _Entry, place: str) -> bytes:
    with _one_line(place):
        return entry.read()


def _zip(path: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            refused = None
            # Archives written on Windows carry no Unix file type.
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                refused = "is a link or a device; pack files and folders only"
            elif info.volume:
                refused = "lies in another part of the archive; join the parts, or unpack them all"
            elif info.flag_bits & 1:
                refused = "is encrypted; pack it again without a password"
            # The decoders of the other methods return whatever a few bytes unfold to, in one piece.
            elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                refused = f"has compression method {info.compress_type}; pack it again with deflate"
            name = _zip_name(info)
            if name is None:
                name, refused = (
                    info.orig_filename,
                    f"has a name in an unknown encoding; {_NAMES}",
                )
            folder = name.endswith(("/", "\\"))  # the other one is from Windows
            yield _Entry(name, folder, info.file_size, refused, partial(_read_zip, archive, info))


def _zip_name(info: zipfile.ZipInfo) -> str | None:
    """Return the member's name; None if it is not ASCII and nothing in the archive says what it is.

    A name is UTF-8 by flag 11 of the member, or by the extra field 0x7075 with a checksum of the other name
    (APPNOTE 4.6.9). Else it is in whatever code page its writer had: Python reads it as cp437, and a byte 5C
    within a character of GBK or Shift-JIS would count as a backslash.
    """
    if info.flag_bits & _UTF_8 or info.orig_filename.isascii():
        return info.filename
    place, extra = 0, info.extra
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        field = extra[place + 4 : place + 4 + size]
        if kind == _UNICODE_PATH and size > 5 and field[0] == 1:
            (checksum,) = struct.unpack_from("<I", field, 1)
            if checksum == zlib.crc32(info.orig_filename.encode("cp437")):
                return field[5:].decode()
        place += 4 + size
    return None


def _read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        # The declared size bounds what is unfolded; a member that lies about it fails its checksum.
        return file.read(info.file_size)


class _Header(tarfile.TarInfo):
    """A header that declares no more than is read into memory before there is a member to ask."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        """Return the header in a block."""
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.size > _MAX_NAME_BYTES and header.type in _ABOUT_THE_NEXT):
            raise _OddHeaderError(f"a header that declares {header.size} bytes")
        return header


class _OddHeaderError(ValueError):
    """Is none of the errors after which ``tarfile`` goes on as if the archive ended there."""


def _tar(path: Path, where: str, limit: int) -> Iterator[_Entry]:
    try:
        opened = tarfile.open(path, tarinfo=_Header)  # noqa: SIM115  # what it raises is not what a member does
    except tarfile.TarError:
        what = "neither a zip nor a tar archive, cut short, or one of several parts"
        raise ErktError(f"{where}: {what}; {_ADVICE}") from None
    with opened as archive:
        former = -1
        while info := archive.next():
            if info.size < 0 or archive.offset <= former:
                raise EOFError("a member that ends before it begins")
            former = archive.offset
            archive.members = []  # type: ignore[attr-defined]  # typeshed has it not; else each header is kept
            known = info.isfile() or info.isdir()
            refused = None if known else "is a link or a device; pack files and folders only"
            yield _Entry(info.name, info.isdir(), info.size, refused, partial(_read_tar, archive, info))
        stream = archive.fileobj
        stream.seek(archive.offset)
        if stream.read(_BLOCK) != bytes(_BLOCK):
            raise EOFError("no end mark")
        rest = 0
        while chunk := stream.read(2**20):  # on to the end, where the checksums are
            rest += len(chunk)
            if rest > limit:
                raise _bomb(where, limit)


def _bomb(where: str, limit: int) -> ErktError:
    return ErktError(f"{where}: unfolds to more than {limit} bytes, as a bomb does; {_ADVICE}")


def _read_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(info)
    return b"" if file is None else file.read()


def _safe_name(name: str, place: str) -> str:
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or re.fullmatch("[A-Za-z]:", parts[0]) or ".." in parts:
        raise ErktError(f"{place} would leave its folder; pack it again with relative names")
    return "/".join(part for part in parts if part not in ("", "."))


def check_distinct(name: str, place: str, seen: dict[str, str]) -> None:
    """Raise ErktError if ``name``, or a folder in it, is another one's but for case, accents or outer spaces.

    ``seen`` remembers every file and folder so far. A folder may come in two forms of its accents: keys of
    images have one form, so its images come together.
    """
    composed = unicodedata.normalize("NFC", name)
    before = len(seen)
    ends = [place for place, character in enumerate(composed, start=1) if character == "/"]
    for part in (composed[:end] for end in (*ends, len(composed))):
        former = seen.setdefault(_alike(part), part)
        if former != part:
            how = "in characters that look alike, or that nobody sees"
            if former.lower() == part.lower():
                how = "in case"
            elif _outer(former) == _outer(part):
                how = "in spaces at an end"
            raise ErktError(f"{place}: {former!r} and {part!r} differ only {how}; rename one")
    if len(seen) == before:
        raise ErktError(f"{place} is there twice, or but for its accents; remove or rename one")


def _alike(path: str) -> str:
    """Return what people and some file systems take for the same as ``path``.

    Folders are classes, which people tell by what they see: they are compared without characters that nobody
    sees, and with one width of letters and spaces.
    """
    *folders, last = _outer(path).split("/")
    return "/".join([*map(_seen, folders), last])


def _outer(path: str) -> str:
    return "/".join(piece.strip() for piece in path.lower().split("/"))


def _seen(name: str) -> str:
    shown = (
        unicodedata.normalize("NFKC", one) if unicodedata.decomposition(one).startswith(_WIDTHS) else one
        for one in name
        if unicodedata.category(one) != "Cf" or one in _JOINERS or one in _TAGS
    )
    return " ".join("".join(shown).split())


@contextmanager
def _one_line(place: str) -> Iterator[None]:
    """Turn whatever the standard library raises for a bad archive into one ErktError."""
    try:
        yield
    except _BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ErktError(f"{place}: the archive is cut short or damaged ({reason})") from error
