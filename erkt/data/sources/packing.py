"""What every source does with bytes: copy them, compare their digest, pack them."""

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from erkt.data.index import order_of
from erkt.errors import ErktError

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes done and in all; None if nobody knows."""

CHUNK_BYTES = 2**20


def copy_file(path: Path, target: Path, on_bytes: OnBytes) -> None:
    """Copy the file ``path``; raise ErktError if it is none or cannot be read."""
    if path.is_dir():
        raise ErktError(f"{path}: a folder, not an archive; set dataset.source to folder")
    if not path.is_file():
        raise ErktError(f"{path}: no such file")
    total, done = path.stat().st_size, 0
    with path.open("rb") as source, target.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            on_bytes(done, total)


def mismatch(path: Path, digests: Mapping[str, str]) -> str | None:
    """Return in what the digests of ``path`` differ from ``digests``, by algorithm; None if in nothing."""
    for algorithm, wanted in digests.items():
        # A digest tells other bytes here, it protects no secret: md5 is allowed also where policy bans it.
        begin = partial(hashlib.new, algorithm, usedforsecurity=False)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, begin).hexdigest()
        if found != wanted:
            return f"not the pinned archive: {algorithm} {found}, expected {wanted}"
    return None


def pack(
    images: Iterable[tuple[str, Callable[[], bytes]]], target: Path, total: int, on_bytes: OnBytes
) -> None:
    """Write ``(key, read)`` pairs as a stored zip, sorted by key, that keys and bytes alone decide.

    ``total`` is the sum of their bytes, for ``on_bytes``.
    """
    done = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for key, read in sorted(images, key=lambda image: order_of(image[0])):
            data = read()
            entry = zipfile.ZipInfo(key, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, also where this runs on Windows
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
            done += len(data)
            on_bytes(done, total)
