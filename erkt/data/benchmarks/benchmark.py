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
    the spelling is that of the class folders. ``side`` is in pixels. ``archive`` and its ``sha256`` are None
    where no program can fetch the images; ``instructions`` then say what to fetch and where.

    ``repacked`` says which archive the pipeline keeps. If false, the published one as it is, and a user's
    copy must have its sha256. If true, one that is packed from the images, the same for the same images
    whatever they came in; so a copy may be another archive or a folder, and the user may pin what is packed.
    ``repacked_sha256`` is that of what is packed from a copy known here, None if none is known.
    """

    name: str
    title: str
    counts: Mapping[str, int]
    side: int
    archive: HubFile | None
    sha256: str | None
    repacked: bool
    repacked_sha256: str | None
    instructions: str
    licence: str
    citation: str
    origin: str

    def facts(self) -> dict[str, Any]:
        """Return what a record of a run keeps: where the images come from and on what terms."""
        kept = ("title", "side", "licence", "citation", "origin")
        archive = asdict(self.archive) if self.archive else None
        facts = {name: getattr(self, name) for name in kept}
        return facts | {"images": sum(self.counts.values()), "hub": archive}
