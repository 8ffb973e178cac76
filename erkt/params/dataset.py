"""Where the images come from."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.errors import ErktError
from erkt.params.schema import Between, Length


@dataclass(frozen=True)
class Scenes:
    """The embedded dataset: images a class, their side in pixels, and the seed they are drawn from."""

    per_class: Annotated[int, Between(1)]
    side: Annotated[int, Between(16)]
    seed: Annotated[int, Between(0)]


@dataclass(frozen=True)
class Unlabelled:
    """More images, of no class: an archive (zip or tar), a folder, at any depth, or a CSV table of paths.

    ``location`` and ``sha256`` are as those of ``Dataset``.
    """

    source: Literal["archive", "folder", "csv"]
    location: str
    sha256: str | None

    def __post_init__(self) -> None:
        _check_sha256(self.sha256, self.source, self.location)


@dataclass(frozen=True)
class Parts:
    """A published split, taken as it is: which names stand for which part.

    ``source: folders`` takes the folders that class folders lie in, ``column`` the values in the column
    ``split`` of a CSV table, ``lists`` text files of images, one a line, in the folder ``location`` (as that
    of ``Dataset``; null for the others). ``train``, ``val`` and ``test`` name folders, values or files.
    """

    source: Literal["folders", "column", "lists"]
    location: str | None
    train: Annotated[tuple[str, ...], Length(1)]
    val: tuple[str, ...]
    test: Annotated[tuple[str, ...], Length(1)]

    def __post_init__(self) -> None:
        names = [*self.train, *self.val, *self.test]
        if len(set(names)) < len(names):
            raise ErktError(f"a name stands for two parts in {names}")
        if (self.source == "lists") != (self.location is not None):
            raise ErktError("location is the folder of the files for source: lists, and null for the others")


@dataclass(frozen=True)
class Dataset:
    """One dataset: a benchmark, the embedded scenes, an archive (zip or tar), class folders, or a CSV table.

    ``location`` is a path, or for an archive also an http(s) address; a leading ``$NAME`` is read from the
    environment, so that a colleague's path changes nothing. A benchmark is known by ``name``; with a null
    location it comes from its pinned address, else from the copy that lies there. ``sha256`` pins the bytes
    of an archive, or of what is packed from the images of a benchmark; null trusts what is found, which is
    refused for http(s). ``parts`` is a published split; null divides the images by the section ``split``.
    ``unlabelled`` images are prepared with the others, and the student is distilled on
    them too.
    """

    name: str
    source: Literal["benchmark", "scenes", "archive", "folder", "csv"]
    location: str | None
    sha256: str | None
    scenes: Scenes | None
    unlabelled: Unlabelled | None
    parts: Parts | None = None

    def __post_init__(self) -> None:
        self._check_source()
        self._check_parts()
        _check_sha256(self.sha256, self.source, self.location)

    def _check_source(self) -> None:
        if (self.source == "scenes") != (self.scenes is not None):
            raise ErktError("the block 'scenes' belongs to source: scenes, and is null for the other sources")
        if self.source != "benchmark" and (self.source == "scenes") == (self.location is not None):
            raise ErktError(
                "location is null for source: scenes, and a path or address for the other sources"
            )

    def _check_parts(self) -> None:
        fitting = {"folders": ("folder", "archive"), "column": ("csv",)}
        if self.parts is not None and self.source not in fitting.get(self.parts.source, (self.source,)):
            sources = " or ".join(fitting[self.parts.source])
            raise ErktError(f"parts.source: {self.parts.source} belongs to source: {sources}")


def _check_sha256(sha256: str | None, source: str, location: str | None) -> None:
    """Raise ErktError if ``sha256`` is none, or stands where nothing is compared with it, or lacks."""
    if sha256 is not None and (len(sha256) != 64 or set(sha256) - set("0123456789abcdef")):
        raise ErktError("sha256 must be 64 lower-case hexadecimal digits, or null")
    if source == "benchmark":
        return
    if sha256 is not None and source != "archive":
        raise ErktError("sha256 pins an archive's bytes; it is null for the other sources")
    if sha256 is None and (location or "").startswith(("http://", "https://")):
        raise ErktError("an archive from the network needs its sha256")
