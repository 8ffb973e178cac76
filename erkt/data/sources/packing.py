"""What the sources do with files: copy one, or pack many into an archive."""

import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from erkt.data.contents import Contents, files_below, reader, unreadable
from erkt.data.index import order_of
from erkt.data.parts import PARTS_FILE, table_of
from erkt.data.sources.published import Published
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
    try:
        source = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from None
    with source, target.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            on_bytes(done, total)


def pack_folder(
    root: Path, target: Path, on_bytes: OnBytes, published: Published | None = None
) -> dict[str, int]:
    """Pack the images in the class folders of ``root``; return how many other files there are, by suffix.

    With a ``published`` split class folders may lie in the folders of its parts. Raises ErktError naming the
    place if it has another form.
    """
    contents = Contents(str(root), flat=True)
    files = files_below(root)
    images = dict(contents.images(published.sorted_out(files) if published else files))
    contents.check()
    pack_files(images, target, on_bytes, published.finished(images) if published else None)
    return contents.left_out()


def pack_files(
    files: Mapping[str, Path], target: Path, on_bytes: OnBytes, parts: Mapping[str, str] | None = None
) -> None:
    """Pack files by the key of their image, and their parts if there are any.

    Links are followed, so that nothing can dangle later.
    """
    total = sum(path.stat().st_size for path in files.values())
    pack(((key, reader(path)) for key, path in files.items()), target, total, on_bytes)
    if parts is not None:
        with zipfile.ZipFile(target, "a", zipfile.ZIP_STORED) as archive:
            add(archive, PARTS_FILE, table_of(parts).encode())


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
            add(archive, key, data)
            done += len(data)
            on_bytes(done, total)


def add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Write a member that its name and bytes alone decide."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix, also where this runs on Windows
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)
