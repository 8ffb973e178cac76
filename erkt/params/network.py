"""A network and where its initial weights come from."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.errors import ErktError
from erkt.params.schema import Between


@dataclass(frozen=True)
class Weights:
    """Initial weights: ``none`` (random), ``hub`` (timm's, by tag and revision) or a safetensors ``file``.

    ``location`` may start with ``$NAME``, read from the environment; ``sha256`` pins a file's bytes.
    """

    source: Literal["none", "hub", "file"]
    location: str | None
    revision: str | None
    sha256: str | None

    def __post_init__(self) -> None:
        if (self.source == "file") != (self.location is not None):
            raise ErktError("location belongs to source: file, and is null for the others")
        if self.source != "hub" and self.revision is not None:
            raise ErktError("revision belongs to source: hub, and is null for the others")
        if self.source != "file" and self.sha256 is not None:
            raise ErktError("sha256 belongs to source: file, and is null for the others")


@dataclass(frozen=True)
class Network:
    """``arch`` is timm's name, with the tag of its weights where it has them (``resnet50.tv_in1k``)."""

    arch: str
    weights: Weights
    drop_rate: Annotated[float, Between(0, 1, below=True)]
    drop_path_rate: Annotated[float, Between(0, 1, below=True)]
