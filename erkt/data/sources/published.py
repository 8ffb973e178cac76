"""A published split, taken as it is: parts from folders, a column of a table, or list files."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from erkt.data.index import SUFFIXES, key_of, order_of
from erkt.data.parts import NAMES
from erkt.errors import ErktError
from erkt.params.dataset import Parts

# A list may have more in a line, such as a label.
_IMAGE = re.compile(rf"(.*?(?:{'|'.join(map(re.escape, SUFFIXES))}))(?:[\s,;].*)?", re.IGNORECASE)

T = TypeVar("T")


class Published:
    """The parts of a published split, filled while its images are read.

    ``folder`` is where list files lie. Raises ErktError for a list that cannot be read, names no image in a
    line, or names one that another line has.
    """

    def __init__(self, settings: Parts, folder: Path | None = None) -> None:
        self.source = settings.source
        self._part_of = {
            name: part for part in NAMES for name in getattr(settings, part)
        }  # by folder, value or file
        self._found: dict[str, str] = {}  # by key
        self._listed: dict[str, tuple[str, str]] = {}  # part and place by what a line names
        self._met: dict[str, str] = {}  # key by what a line names
        for name, part in self._part_of.items() if folder else ():
            self._read(Path(str(folder), name), part)

    def sorted_out(self, files: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
        """Yield files and folders by names without the folder of their part, and note the part of images.

        Where parts are folders, an image's own name begins with that of its part, so that two parts may have
        the same. Raises ErktError for an image whose part is not known.
        """
        for name, file in files:
            if self.source != "folders":
                key = None if name.endswith("/") else key_of(name, name)
                if key is not None:
                    self.note(key, None, name)
                yield name, file
                continue
            *above, last = name.rstrip("/").split("/")
            if name.endswith("/"):
                # A folder is that of a class if the one above is of a part.
                if above and above[-1] in self._part_of:
                    yield "/".join([*above[:-1], last, ""]), file
            elif key_of(name, name) is None:
                if len(above) > 1 and above[-2] in self._part_of:
                    name = "/".join([*above[:-2], above[-1], last])
                yield name, file
            else:
                if len(above) < 2:
                    raise ErktError(f"{name}: lies in no folder of a part; expected part/class/file")
                shown = "/".join([*above[:-2], above[-1], f"{above[-2]}-{last}"])
                self.note(str(key_of(shown, name)), above[-2], name)
                yield shown, file

    def note(self, key: str, name: str | None, place: str) -> None:
        """Note the part of an image: the one that ``name`` stands for, or that a list has it in."""
        if self.source == "lists":
            self._found[key] = self._in_list(key, place)
        elif name not in self._part_of:
            known = ", ".join(self._part_of)
            raise ErktError(f"{place}: its part {name!r} is not among those of dataset.parts ({known})")
        else:
            self._found[key] = self._part_of[name]

    def finished(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the part of each of ``keys``; ErktError for a part or a line of a list without an image."""
        for entry, (_, place) in self._listed.items():
            if entry not in self._met:
                raise ErktError(f"{place}: there is no image {entry!r}")
        parts = {key: self._found[key] for key in keys}
        for name in sorted(set(self._part_of.values()) - set(parts.values())):
            raise ErktError(f"dataset.parts: no image is in the part {name!r}")
        return parts

    def _in_list(self, key: str, place: str) -> str:
        for entry in (key, order_of(key)[1]):
            if entry in self._listed:
                part, line = self._listed[entry]
                met = self._met.setdefault(entry, key)
                if met != key:
                    raise ErktError(f"{line}: {entry!r} may be {met!r} or {key!r}; name its class")
                return part
        raise ErktError(f"{place}: is in none of the lists of dataset.parts; list it, or remove it")

    def _read(self, path: Path, part: str) -> None:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ErktError(f"{path}: not readable as a list of images: {error}") from None
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            found = _IMAGE.fullmatch(line.strip().replace("\\", "/"))
            if found is None:
                raise ErktError(f"{path}:{number}: names no image: {line!r}")
            entry = unicodedata.normalize("NFC", "/".join(found[1].split("/")[-2:])).removeprefix("./")
            former = self._listed.setdefault(entry, (part, f"{path}:{number}"))[1]
            if former != f"{path}:{number}":
                raise ErktError(f"{path}:{number}: {entry!r} is there twice, first at {former}")
