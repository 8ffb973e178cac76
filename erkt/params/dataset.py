"""Where the images come from."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.errors import ErktError
from erkt.params.schema import Between


@dataclass(frozen=True)
class Scenes:
    """The embedded dataset: images a class, their side in pixels, and the seed they are drawn from."""

    per_class: Annotated[int, Between(1)]
    side: Annotated[int, Between(16)]
    seed: Annotated[int, Between(0)]


@dataclass(frozen=True)
class Dataset:
    """One dataset: a benchmark, the embedded scenes, an archive (zip or tar), class folders, or a CSV table.

    ``location`` is a path, or for an archive also an http(s) address; a leading ``$NAME`` is read from the
    environment, so that a colleague's path changes nothing. A benchmark is known by ``name``; with a null
    location it comes from its pinned address, else from the copy that lies there. ``sha256`` pins the bytes
    of an archive, or of what is packed from the images of a benchmark; null trusts what is found, which is
    refused for http(s).
    """

    name: str
    source: Literal["benchmark", "scenes", "archive", "folder", "csv"]
    location: str | None
    sha256: str | None
    scenes: Scenes | None

    def __post_init__(self) -> None:
        self._check_source()
        if self.sha256 is not None and (len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef")):
            raise ErktError("sha256 must be 64 lower-case hexadecimal digits, or null")
        if self.source == "benchmark":
            return
        if self.sha256 is not None and self.source != "archive":
            raise ErktError("sha256 pins an archive's bytes; it is null for the other sources")
        if self.sha256 is None and (self.location or "").startswith(("http://", "https://")):
            raise ErktError("an archive from the network needs its sha256")

    def _check_source(self) -> None:
        if (self.source == "scenes") != (self.scenes is not None):
            raise ErktError("the block 'scenes' belongs to source: scenes, and is null for the other sources")
        if self.source != "benchmark" and (self.source == "scenes") == (self.location is not None):
            raise ErktError(
                "location is null for source: scenes, and a path or address for the other sources"
            )
