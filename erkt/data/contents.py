"""Which files of an archive or a folder are images, and by which keys."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from erkt.data.archive import members
from erkt.data.index import SUFFIXES, key_of
from erkt.errors import ErktError

EXPECTED = f"images lie in a folder with the name of their class, and end in {' '.join(SUFFIXES)}"

T = TypeVar("T")


def first_ten(entries: Sequence[str]) -> str:
    """Return the first ten entries for a message, and how many more there are."""
    more = f" and {len(entries) - 10} more" if len(entries) > 10 else ""
    return ", ".join(entries[:10]) + more


@dataclass(eq=False)
class Contents:
    """What is in an archive or folder that messages call ``where``.

    ``names`` has the file's name by the image's key, ``refused`` the reason by the name of an image that no
    preparation gets past, ``ignored`` the names of all other files. ``flat`` refuses images in folders of
    class folders.
    """

    where: str
    flat: bool = False
    names: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    def images(self, files: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
        """Yield the key of each image among ``files``, and what comes with its name; note all files."""
        for name, file in files:
            try:
                key = self._key(name)
            except ErktError as error:
                self.refused[name] = str(error)
                continue
            if key is None:
                self.ignored.append(name)
            else:
                self.names[key] = name
                yield key, file

    def check(self) -> None:
        """Raise ErktError for the first image that was refused."""
        for reason in self.refused.values():
            raise ErktError(reason)

    def _key(self, name: str) -> str | None:
        key = key_of(name, self.where)
        if key is None:
            return None
        if self.flat and name.count("/") > 1:
            deep = f"{name!r} lies in a folder of a class folder"
            raise ErktError(f"{self.where}: {deep}; location is the folder of the classes")
        if key in self.names:
            raise ErktError(f"{self.where}: {self.names[key]!r} and {name!r} are both the image {key!r}")
        return key


def files_below(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield name (relative, with slashes) and path of each file below ``root``, in order.

    Links are followed, hidden folders left out. Raises ErktError for no folder, dangling links and devices.
    """
    if root.is_file():
        raise ErktError(f"{root}: a file, not a folder; set dataset.source to archive")
    if not root.is_dir():
        raise ErktError(f"{root}: no such folder")
    for folder, inside, names in os.walk(root, followlinks=True):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        for path in (Path(folder, name) for name in sorted(names)):
            if not path.is_file():
                raise ErktError(f"{path}: a dangling link or a device, not a file")
            yield path.relative_to(root).as_posix(), path


def files_in(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield name and reader of each file in a folder or an archive; ErktError as the two of them raise it."""
    if not path.is_dir():
        yield from members(path)
        return
    for name, file in files_below(path):
        yield name, file.read_bytes
