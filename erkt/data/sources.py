"""One archive, whatever the images come from: drawn scenes, a file, an address, or a folder.

Everything after this stage reads that one archive, so that a dataset is one file with one digest.
"""

import hashlib
import http.client
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from erkt.data.archive import members
from erkt.data.index import key_of, order_of
from erkt.errors import ErktError
from erkt.files import replace_whole, sha256_file
from erkt.locations import resolve
from erkt.params.dataset import Dataset

OnBytes = Callable[[int, int | None], None]

TIMEOUT_SECONDS = 60.0  # without a single byte; a whole download may take as long as it takes
CHUNK_BYTES = 2**20


def fetch(settings: Dataset, out: Path, environment: Mapping[str, str], on_bytes: OnBytes) -> dict[str, Any]:
    """Make ``out`` the archive that ``settings`` describes; return its name, source, sha256 and bytes.

    ``environment`` is where a location's leading ``$NAME`` or ``${NAME}`` is looked up (a leading ``~/`` is
    ``$HOME/``); relative paths start at the working folder. ``on_bytes(done, total)`` is called as bytes
    arrive, ``total`` is None where a server does not say. An archive is copied, never linked: a link would
    let a change of the user's file reach into what DVC has recorded.

    Raises ErktError, and leaves ``out`` as it was, if the location is missing or of the wrong kind, a
    download fails, stops or is cut, the digest is another one, or the result is not a readable zip or tar.
    """
    with replace_whole(out) as temporary:
        shown = settings.location or settings.source
        if settings.source == "scenes":
            digest = _draw(settings, temporary)
        else:
            location = resolve(shown, environment)
            if settings.source == "folder":
                digest = _pack(Path(location), temporary, on_bytes)
            elif "://" in location:
                digest = _download(location, shown, settings.sha256, temporary, on_bytes)
            else:
                shown = location
                digest = _copy_file(Path(location), temporary, on_bytes)
        if settings.sha256 is not None and digest != settings.sha256:
            raise ErktError(f"{shown}: not the pinned archive: sha256 {digest}, expected {settings.sha256}")
        for _ in members(temporary, called=shown):
            pass
        size = temporary.stat().st_size
    return {"name": settings.name, "source": settings.source, "sha256": digest, "bytes": size}


def _draw(settings: Dataset, target: Path) -> str:
    from erkt.data.scenes.archive import write_archive  # only who draws scenes needs the drawing

    if settings.scenes is None:
        raise ErktError("source: scenes needs the block 'scenes'")
    write_archive(target, settings.scenes.per_class, settings.scenes.side, settings.scenes.seed)
    return sha256_file(target)


def _copy_file(path: Path, target: Path, on_bytes: OnBytes) -> str:
    if path.is_dir():
        raise ErktError(f"{path}: a folder, not an archive; set dataset.source to folder")
    if not path.is_file():
        raise ErktError(f"{path}: no such file")
    with path.open("rb") as file:
        return _copy(file, target, path.stat().st_size, on_bytes)[0]


def _download(address: str, shown: str, sha256: str | None, target: Path, on_bytes: OnBytes) -> str:
    """Return the digest of what ``address`` sends; messages say ``shown``: an address may hold a secret."""
    if not address.lower().startswith(("http://", "https://")):
        raise ErktError(f"{shown}: only http and https addresses are fetched")
    if sha256 is None:
        raise ErktError(f"{shown}: an archive from the network needs its sha256; set dataset.sha256")
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "erkt"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            total: int | None = response.length
            digest, size = _copy(response, target, total, on_bytes)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise ErktError(f"{shown}: the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ErktError(f"{shown}: the download failed: {error or type(error).__name__}") from error
    if total is not None and size != total:
        raise ErktError(f"{shown}: the connection was cut after {size} of {total} bytes; try again")
    return digest


def _copy(source: IO[bytes], target: Path, total: int | None, on_bytes: OnBytes) -> tuple[str, int]:
    digest, done = hashlib.sha256(), 0
    with target.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            on_bytes(done, total)
    return digest.hexdigest(), done


def _pack(root: Path, target: Path, on_bytes: OnBytes) -> str:
    """Pack the images below ``root`` as ``class/filename`` into a zip that names and bytes alone decide."""
    images = _images_below(root)
    total = sum(path.stat().st_size for path in images.values())
    done = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for key in sorted(images, key=order_of):
            data = images[key].read_bytes()
            entry = zipfile.ZipInfo(key, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, also where this runs on Windows
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
            done += len(data)
            on_bytes(done, total)
    return sha256_file(target)


def _images_below(root: Path) -> dict[str, Path]:
    """Return key to path of each image exactly one folder below ``root``.

    Links to files and folders are followed: what is packed are bytes, so nothing can dangle later.
    """
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
