"""How an image file becomes an array."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from erkt.errors import ErktError
from erkt.params.schema import Between, Length, as_dict, build


@dataclass(frozen=True)
class Prepare:
    """Decode and resize once.

    ``side`` is the height and width in pixels. ``filter`` is Pillow's resampling filter (all are antialiased
    when they shrink). ``non_square: squash`` scales both sides, ``center_crop`` first cuts the central
    square. ``undecodable: refuse`` names the files and stops, ``skip`` leaves them out and says so.

    ``bands`` are the one or three bands, from 1, that become grey, or red, green and blue; ``stretch`` are
    the values that become black and white. With either, rasterio reads the files; without, they are pictures.
    """

    side: Annotated[int, Between(8)]
    filter: Literal["box", "bilinear", "bicubic", "lanczos"]
    non_square: Literal["squash", "center_crop"]
    undecodable: Literal["refuse", "skip"]
    bands: Annotated[tuple[Annotated[int, Between(1)], ...], Length(1)] | None = None
    stretch: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.bands is not None and len(self.bands) not in (1, 3):
            raise ErktError(f"bands: {list(self.bands)} are neither one band (grey) nor three")
        if self.stretch is not None and not -math.inf < self.stretch[0] < self.stretch[1] < math.inf:
            raise ErktError(
                f"stretch: {list(self.stretch)} does not rise; write the values of black and white"
            )


def as_recorded(settings: Prepare) -> dict[str, Any]:
    """Return ``settings`` for a manifest; what is null is left out, as before it was there."""
    return {name: value for name, value in as_dict(settings).items() if value is not None}


def from_record(values: object, where: str) -> Prepare:
    """Return what ``as_recorded`` wrote; ErktError naming ``where`` for anything else."""
    known: Any = {"bands": None, "stretch": None} | dict(values) if isinstance(values, Mapping) else values
    return build(Prepare, known, where)
