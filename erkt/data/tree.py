"""Every image of a labelled tree, decoded once as preparation decodes it, and every file that is no image."""

import hashlib
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from erkt.data.archive import members
from erkt.data.duplicates import Fingerprint, fingerprint
from erkt.data.index import key_of
from erkt.data.prepare import decode
from erkt.data.sources.folder import images_below
from erkt.errors import ErktError
from erkt.params.prepare import Prepare

_WORKERS = min(8, os.cpu_count() or 1)


@dataclass(frozen=True, eq=False)
class Scene:
    """One readable image: size (upright) and Pillow's mode, the file's sha256, and its pixels' fingerprint."""

    width: int
    height: int
    mode: str
    file_digest: str
    fingerprint: Fingerprint


@dataclass(eq=False)
class Tree:
    """What a tree holds.

    ``scenes`` by key; ``unreadable`` maps the key of a file that does not decode to the reason, ``refused``
    the name of one that no preparation gets past; ``ignored`` are names of files that are no images.
    """

    scenes: dict[str, Scene] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


def read_tree(path: Path, settings: Prepare, on_image: Callable[[int, int | None], None]) -> Tree:
    """Return what is in a folder of class folders or in an archive.

    ``on_image(done, None)`` is called after each image. Raises ErktError for a path that is neither, and for
    an archive or folder that is refused as a whole (damaged, unsafe names, folders in class folders).
    """
    tree = Tree()
    with warnings.catch_warnings():
        # As in preparation: a size that Pillow only warns of is refused.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for key, future in _in_flight(path, tree, settings):
            try:
                tree.scenes[key] = future.result()
            except ErktError as error:
                tree.unreadable[key] = str(error)
            on_image(len(tree.scenes) + len(tree.unreadable), None)
    return tree


def _in_flight(path: Path, tree: Tree, settings: Prepare) -> Iterator[tuple[str, Future[Scene]]]:
    """Yield key and scene of each image, with a bounded number ahead under way."""
    waiting: deque[tuple[str, Future[Scene]]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for key, data in (_folder if path.is_dir() else _archive)(path, tree):
            waiting.append((key, pool.submit(_scene, data, settings)))
            if len(waiting) > 4 * _WORKERS:
                yield waiting.popleft()
        yield from waiting


def _scene(data: bytes, settings: Prepare) -> Scene:
    image = decode(data, settings)
    file_digest = hashlib.sha256(data).hexdigest()
    return Scene(image.width, image.height, image.mode, file_digest, fingerprint(image.pixels))


def _folder(root: Path, tree: Tree) -> Iterator[tuple[str, bytes]]:
    images = images_below(root)
    known = set(images.values())
    for entry in root.iterdir():
        files = entry.iterdir() if entry.is_dir() else [entry]
        others = (file for file in files if file not in known and file.is_file())
        tree.ignored += [_shown(file.relative_to(root).as_posix()) for file in others]
    for key, file in images.items():
        try:
            data = file.read_bytes()
        except OSError as error:
            tree.refused[key] = f"not readable: {error.strerror}"
        else:
            yield key, data


def _archive(path: Path, tree: Tree) -> Iterator[tuple[str, bytes]]:
    names: dict[str, str] = {}
    for name, read in members(path):
        try:
            key = key_of(name, path.name)
            if key is None:
                tree.ignored.append(_shown(name))
            elif key in names:
                tree.refused[_shown(name)] = f"{names[key]!r} is the image {key!r} as well"
            else:
                names[key] = name
                yield key, read()
        except ErktError as error:
            tree.refused[_shown(name)] = str(error)


def _shown(name: str) -> str:
    """Return the name with what no text or terminal should get as backslash escapes."""
    return name if name.isprintable() else repr(name)[1:-1].encode(errors="backslashreplace").decode()
