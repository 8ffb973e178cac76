"""Which files of an archive or a folder are images, by which keys, and whether its folders are classes.

The check and every stage that reads images go through ``Contents``, so that they cannot disagree on what is a
class. A folder is listed as its name with a slash at the end.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from erkt.data.archive import check_distinct, entries
from erkt.data.index import SUFFIXES, UNLABELLED, key_of, order_of
from erkt.errors import ErktError

EXPECTED = f"images lie in a folder with the name of their class, and end in {' '.join(SUFFIXES)}"
HIDDEN = "hidden"
"""What ``Contents.left_out`` counts hidden files as."""

_PARTS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing"})
_TAKE = "to take that split as it is, set dataset.parts"

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
    class folders; otherwise class folders may lie in another folder, all in the same.
    """

    where: str
    flat: bool = False
    names: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    _folders: dict[str, Counter[str]] = field(default_factory=dict)
    _parents: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, str] = field(default_factory=dict)

    def images(self, files: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
        """Yield the key of each image among ``files``, and what comes with its name; note all files."""
        for name, file in files:
            if name.endswith("/"):
                self._note_folder(name[:-1])
                continue
            try:
                key = self._key(name)
            except ErktError as error:
                self.refused[name] = str(error)
                continue
            self._note_folder(name.rpartition("/")[0], name if key is None else None)
            if key is None:
                self.ignored.append(name)
                continue
            self.names[key] = name
            if order_of(key)[0] != UNLABELLED:
                self._parents.setdefault("/".join(name.split("/")[:-2]), name)
            yield key, file

    def check(self) -> None:
        """Raise ErktError for the first image that was refused, or for what is wrong with the folders."""
        for reason in self.refused.values():
            raise ErktError(reason)
        for reason in self.misplaced():
            raise ErktError(f"{self.where}: {reason}")

    def misplaced(self) -> list[str]:
        """Return what is wrong with the folders, one line each; to be asked once all files are noted.

        Class folders lie in one folder, each holds an image, and they are not the parts of a split.
        """
        classes = {order_of(key)[0] for key in self.names} - {UNLABELLED}
        if not classes:
            return []
        if len(self._parents) > 1:
            return [self._scattered()]
        if {name.lower() for name in classes} <= _PARTS:
            named = " and ".join(sorted(classes))
            how = f"put class folders into them ({_TAKE}), or rename them"
            return [f"the class folders are called {named}, as the parts of a split are; {how}"]
        parent = next(iter(self._parents), "")
        return [
            f"the folder {name!r} beside the classes has no image that can be used ({_tally(counts)}); "
            f"remove it, or make its images end in one of {' '.join(SUFFIXES)}"
            for name, counts in sorted(self._beside(parent).items())
            if unicodedata.normalize("NFC", PurePosixPath(name).name) not in classes
        ]

    def left_out(self) -> dict[str, int]:
        """Return how many files are no images, by suffix, or ``HIDDEN``; the most first."""
        return dict(Counter(map(_kind, self.ignored)).most_common())

    def _note_folder(self, folder: str, ignored: str | None = None) -> None:
        if not folder or _is_hidden(folder):
            return
        noted = self._folders.setdefault(folder, Counter())
        if ignored:
            noted[_kind(ignored)] += 1

    def _beside(self, parent: str) -> dict[str, Counter[str]]:
        """Return the folders in ``parent``, each with the kinds of the other files at any depth in it."""
        found: dict[str, Counter[str]] = {}
        depth = len(PurePosixPath(parent).parts)
        for folder, counts in self._folders.items():
            parts = PurePosixPath(folder).parts
            if len(parts) > depth and "/".join(parts[:depth]) == parent:
                found.setdefault("/".join(parts[: depth + 1]), Counter()).update(counts)
        return found

    def _scattered(self) -> str:
        shown = first_ten(sorted(f"{parent or '.'}/" for parent in self._parents))
        first, second, *_ = self._parents.values()
        what = f"class folders lie in several folders ({shown}), such as those of {first!r} and {second!r}"
        if all(PurePosixPath(parent).name.lower() in _PARTS for parent in self._parents):
            return f"{what}; {_TAKE}; to divide all images anew, move them into one folder a class"
        return f"{what}; move all images into one folder a class, or list them in a table (source: csv)"

    def _key(self, name: str) -> str | None:
        key = key_of(name, self.where)
        if key is None:
            return None
        if self.flat and name.count("/") > 1:
            deep = f"{name!r} lies in a folder of a class folder"
            split = f"; {_TAKE}" if name.split("/")[0].lower() in _PARTS else ""
            raise ErktError(f"{self.where}: {deep}; location is the folder of the classes{split}")
        if key in self.names:
            above = {PurePosixPath(place.lower()).parent.parent.name for place in (self.names[key], name)}
            split = f"; {_TAKE}" if above <= _PARTS else ""
            both = f"{self.names[key]!r} and {name!r} are both the image {key!r}"
            raise ErktError(f"{self.where}: {both}{split}")
        check_distinct(key, self.where, self._seen)
        return key


def files_below(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield name (relative, with slashes) and path of each file and folder below ``root``, in order.

    Links are followed, hidden folders left out. Raises ErktError for no folder, dangling links, links that
    lead back, devices, and what may not be read.
    """
    if root.is_file():
        raise ErktError(f"{root}: a file, not a folder; set dataset.source to archive")
    if not root.is_dir():
        raise ErktError(f"{root}: no such folder")
    for folder, inside, names in os.walk(root, followlinks=True, onerror=_refuse):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        for path in (Path(folder, name) for name in inside):
            real = path.resolve()
            if path.is_symlink() and Path(folder).resolve().is_relative_to(real):
                raise ErktError(f"{path}: a link that leads back to {real}; remove it")
            yield f"{path.relative_to(root).as_posix()}/", path
        for path in (Path(folder, name) for name in sorted(names)):
            try:
                is_file = path.is_file()
            except OSError as error:
                _refuse(error)
            if not is_file:
                raise ErktError(f"{path}: a dangling link or a device, not a file")
            yield path.relative_to(root).as_posix(), path


def files_in(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield name and reader of each file and folder in a folder or an archive; ErktError as they do."""
    if not path.is_dir():
        yield from entries(path)
        return
    for name, file in files_below(path):
        yield name, reader(file)


def reader(path: Path) -> Callable[[], bytes]:
    """Return what reads the file ``path``, or raises ErktError naming it and why it cannot be read."""

    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise unreadable(path, error) from None

    return read


def unreadable(path: Path | str, error: OSError) -> ErktError:
    """Return the error that says what cannot be read and why."""
    advice = f"; give yourself the right: chmod u+rX {path}" if isinstance(error, PermissionError) else ""
    return ErktError(f"{path}: cannot be read: {error.strerror or error}{advice}")


def _refuse(error: OSError) -> None:
    raise unreadable(str(error.filename), error) from None


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _kind(name: str) -> str:
    return HIDDEN if _is_hidden(name) else PurePosixPath(name).suffix.lower() or "without a suffix"


def _tally(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common()) or "it is empty"
