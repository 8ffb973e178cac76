"""What is known of a published collection of scenes before it is fetched."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class HubFile:
    """One file of a dataset repository on the Hugging Face hub, at a commit."""

    repository: str
    revision: str
    filename: str

    def __str__(self) -> str:
        return f"{self.filename} of {self.repository} on the Hugging Face hub"


@dataclass(frozen=True)
class Benchmark:
    """One collection: where it lies, its checksum, and what must be in it.

    ``counts`` has images by class, in the order of the labels (sorted by code points, as everywhere here);
    the spelling is that of the class folders. ``side`` is in pixels. ``archive`` is None where no program can
    fetch the images; ``instructions`` then say what to fetch and where. ``sha256`` and ``md5`` are those of
    the archive; without either, what is packed from the user's copy is pinned by the user.
    """

    name: str
    title: str
    counts: Mapping[str, int]
    side: int
    archive: HubFile | None
    sha256: str | None
    md5: str | None
    instructions: str
    licence: str
    citation: str
    origin: str

    @property
    def checksums(self) -> dict[str, str]:
        """The digests that the archive must have, by algorithm."""
        return {name: digest for name, digest in (("sha256", self.sha256), ("md5", self.md5)) if digest}

    def facts(self) -> dict[str, Any]:
        """Return what a record of a run keeps: where the images come from and on what terms."""
        kept = ("title", "side", "licence", "citation", "origin")
        archive = asdict(self.archive) if self.archive else None
        return {name: getattr(self, name) for name in kept} | {
            "images": sum(self.counts.values()),
            "hub": archive,
        }
