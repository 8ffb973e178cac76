"""How an image file becomes an array."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.params.schema import Between


@dataclass(frozen=True)
class Prepare:
    """Decode and resize once.

    ``side`` is the height and width in pixels. ``filter`` is Pillow's resampling filter (all are antialiased
    when they shrink). ``non_square: squash`` scales both sides, ``center_crop`` first cuts the central
    square. ``undecodable: refuse`` names the files and stops, ``skip`` leaves them out and says so.
    """

    side: Annotated[int, Between(8)]
    filter: Literal["box", "bilinear", "bicubic", "lanczos"]
    non_square: Literal["squash", "center_crop"]
    undecodable: Literal["refuse", "skip"]
