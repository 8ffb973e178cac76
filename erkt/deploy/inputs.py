"""Where images to predict are: files, folders, archives, patterns, lists, and paths on standard input."""

import csv
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from erkt.data.archive import members
from erkt.data.index import SUFFIXES
from erkt.deploy.pixels import read
from erkt.errors import ErktError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
COLUMN = "path"
STDIN = "-"


@dataclass(frozen=True)
class Source:
    """One image by name, the file that it is or lies in, and how to get its bytes.

    ``read`` raises ErktError saying why there are none. ``ahead`` says that it may be called at any time and
    in any thread; an archive's members cannot.
    """

    name: str
    file: Path
    read: Callable[[], bytes]
    ahead: bool = True

    @property
    def stamp(self) -> str:
        """Size and time of the file, by which another one of this name is told; empty if it is not there."""
        try:
            found = self.file.stat()
        except (OSError, ValueError):
            return ""
        return f"{found.st_size} {found.st_mtime_ns}"


class Inputs:
    """All images at ``places``, in an order that is the same each time as long as the files are.

    A place is an image; a folder, whose images are taken at any depth, hidden ones left out; a zip or tar; a
    pattern with ``*``, ``?``, ``[``, where ``**`` is any depth; a ``.csv`` with a column ``path``; a ``.txt``
    with a path a line; or ``-``, a path a line on ``stdin``. Paths in a list are relative to its folder,
    those on standard input to the working folder. Names are paths, for an archive's members
    ``archive/member``.

    Nothing is held but the names in one folder, or those that a pattern meets. Raises ErktError for a place
    that is not there; a file that a list names and that is not there is an image that cannot be read.
    """

    def __init__(self, places: Sequence[str], stdin: TextIO) -> None:
        self._places, self._stdin = places, stdin
        for place in places:
            try:
                place.encode()
            except UnicodeEncodeError:
                raise ErktError(f"{place!a}: a name that is not UTF-8; rename it") from None
            if place != STDIN and not Path(place).exists() and not _is_pattern(place):
                raise ErktError(f"{place}: no such file or folder")
        if places.count(STDIN) > 1:
            raise ErktError("standard input (-) can be read only once")

    def __iter__(self) -> Iterator[Source]:
        for place in self._places:
            yield from self._at(place)

    def count(self) -> int | None:
        """Return how many images there are; None where only reading everything would tell."""
        once = (STDIN, *(suffix for suffix in ARCHIVES if suffix != ".zip"))
        if any(place.lower().endswith(once) for place in self._places):
            return None
        return sum(1 for _ in self)

    def _at(self, place: str) -> Iterator[Source]:
        path = Path(place)
        if place == STDIN:
            try:
                yield from _listed(self._stdin, Path())
            except UnicodeDecodeError as error:
                raise ErktError(f"standard input: not readable as a list of paths: {error}") from None
        elif path.is_dir():
            yield from map(_file, _images_below(path))
        elif path.is_file() and place.lower().endswith(ARCHIVES):
            yield from _members(path)
        elif path.is_file() and path.suffix.lower() in (".csv", ".txt"):
            yield from _in_list(path)
        elif path.exists():
            yield _file(path)
        else:
            found = sorted(path for path in glob.iglob(place, recursive=True) if _is_image(path))
            yield from (_file(Path(name)) for name in found)


def by_name(name: str, folder: Path) -> Source:
    """Return the image that ``Inputs`` named so in the working folder ``folder``; none in an archive."""
    return Source(name, folder / name, partial(read, folder / name))


def _is_pattern(place: str) -> bool:
    return glob.has_magic(place)


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not Path(name).name.startswith(".")


def _file(path: Path) -> Source:
    return Source(str(path), path, partial(read, path))


def _images_below(root: Path) -> Iterator[Path]:
    """Yield the images at any depth; a folder to which several links lead, or its own, is entered once."""

    def refuse(error: OSError) -> None:
        raise ErktError(f"{error.filename}: cannot be read: {error.strerror}")

    seen: set[tuple[int, int]] = set()
    for folder, inside, names in os.walk(root, followlinks=True, onerror=refuse):
        own = Path(folder).stat()
        if (own.st_dev, own.st_ino) in seen:
            inside.clear()
            continue
        seen.add((own.st_dev, own.st_ino))
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if _is_image(name))


def _members(archive: Path) -> Iterator[Source]:
    for name, reader in members(archive):
        parts = name.split("/")
        if _is_image(name) and not any(part.startswith(".") or part == "__MACOSX" for part in parts):
            yield Source(f"{archive}/{name}", archive, reader, ahead=False)


def _in_list(path: Path) -> Iterator[Source]:
    try:
        with path.open(encoding="utf-8-sig", newline="" if path.suffix.lower() == ".csv" else None) as file:
            if path.suffix.lower() == ".csv":
                table = csv.DictReader(file)
                if COLUMN not in (table.fieldnames or ()):
                    columns = ", ".join(table.fieldnames or ()) or "nothing"
                    raise ErktError(f"{path}: expected a column '{COLUMN}', found {columns}")
                for row in table:
                    yield from _listed([row[COLUMN] or ""], path.parent, f"{path}:{table.line_num}")
            else:
                yield from _listed(file, path.parent)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ErktError(f"{path}: not readable as a list of paths: {error}") from None


def _listed(names: Iterable[str], folder: Path, row: str | None = None) -> Iterator[Source]:
    """Yield what ``names`` name; an empty one is left out, or an image without a path where ``row`` is given.

    So a table that is read has a row for each of its own.
    """
    for name in names:
        stripped = name.rstrip("\r\n")
        if stripped.strip():
            yield _file(folder / stripped)
        elif row is not None:
            yield Source(row, folder / row, _no_path)


def _no_path() -> bytes:
    raise ErktError("this row has no path")
