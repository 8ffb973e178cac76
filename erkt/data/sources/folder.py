"""Class folders on disk, packed as they are."""

from pathlib import Path

from erkt.data.index import key_of
from erkt.data.sources.packing import OnBytes, pack
from erkt.errors import ErktError


def pack_folder(root: Path, target: Path, on_bytes: OnBytes) -> None:
    """Pack the images below ``root`` as ``class/filename`` into a zip that names and bytes alone decide.

    Links to files and folders are followed: what is packed are bytes, so nothing can dangle later.

    Raises ErktError naming the place if ``root`` is no folder of class folders.
    """
    images = images_below(root)
    total = sum(path.stat().st_size for path in images.values())
    pack(((key, path.read_bytes) for key, path in images.items()), target, total, on_bytes)


def images_below(root: Path) -> dict[str, Path]:
    """Return key to path of each image exactly one folder below ``root``."""
    if root.is_file():
        raise ErktError(f"{root}: a file, not a folder; set dataset.source to archive")
    if not root.is_dir():
        raise ErktError(f"{root}: no such folder")
    images: dict[str, Path] = {}
    for entry in sorted(root.iterdir()):
        inside = sorted(entry.iterdir()) if entry.is_dir() else [entry]
        for path in [] if _is_hidden(entry) else inside:
            if _is_hidden(path):
                continue
            if path.is_dir():
                raise ErktError(f"{path}: a folder in a class folder; location is the folder of the classes")
            key = key_of(path.relative_to(root).as_posix(), str(root))
            if key is None:
                continue
            if not path.is_file():
                raise ErktError(f"{path}: a dangling link or a device, not a file")
            if key in images:
                raise ErktError(f"{path} and {images[key]} are both {key!r} once their accents are composed")
            images[key] = path
    return images


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name == "__MACOSX"
