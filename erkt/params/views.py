"""Settings of the nine operations of the variance-suppression module (paper, Table 1).

The same schema describes ``vsm`` (the student's views) and ``base`` (the teachers' augmentation). ``p`` is
the probability that an operation fires: eq. 1's threshold P is its complement.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.errors import ErktError
from erkt.params.schema import Between

Probability = Annotated[float, Between(0, 1)]
Strength = Annotated[float, Between(0, 1)]
Positive = Annotated[float, Between(0, above=True)]
Channel = Annotated[float, Between(0, 1)]


def _ordered(name: str, pair: tuple[float, float]) -> None:
    if pair[0] > pair[1]:
        raise ErktError(f"{name}: the first number must not exceed the second, found {list(pair)}")


@dataclass(frozen=True)
class ColorJitter:
    """Brightness, contrast and saturation factors drawn from U[1 - strength, 1 + strength]; no hue."""

    p: Probability
    brightness: Strength
    contrast: Strength
    saturation: Strength


@dataclass(frozen=True)
class Rotation:
    """Angle from U[-degrees, degrees]; nearest neighbour, same size, corners black."""

    p: Probability
    degrees: Annotated[float, Between(0, 180)]


@dataclass(frozen=True)
class Gate:
    """An operation without further settings: a flip, grayscale, autocontrast, or CutMix with Beta(1, 1)."""

    p: Probability


@dataclass(frozen=True)
class Erasing:
    """A box of ``scale`` times the area and of ``ratio`` height to width is filled with one colour.

    ``fill`` is an RGB colour in [0, 1], the student's normalisation mean in the paper's order (0 after
    Normalize), or ``black``.
    """

    p: Probability
    scale: tuple[Probability, Probability]
    ratio: tuple[Positive, Positive]
    fill: Literal["black"] | tuple[Channel, Channel, Channel]

    def __post_init__(self) -> None:
        _ordered("scale", self.scale)
        _ordered("ratio", self.ratio)


@dataclass(frozen=True)
class ResizedCrop:
    """A crop of ``scale`` times the area and ``ratio`` width to height, to ``size`` of the side and back."""

    p: Probability
    scale: tuple[Positive, Probability]
    ratio: tuple[Positive, Positive]
    size: Annotated[float, Between(0, 1, above=True)]

    def __post_init__(self) -> None:
        _ordered("scale", self.scale)
        _ordered("ratio", self.ratio)


@dataclass(frozen=True)
class ViewSettings:
    """The operations in the order in which they are applied (Table 1)."""

    color_jitter: ColorJitter
    rotation: Rotation
    horizontal_flip: Gate
    vertical_flip: Gate
    grayscale: Gate
    autocontrast: Gate
    erasing: Erasing
    resized_crop: ResizedCrop
    cutmix: Gate
