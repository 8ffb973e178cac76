"""Settings of the distillation objective (paper, section 3.4 and eq. 15)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.errors import ErktError
from erkt.params.schema import Between, Length

Temperature = Annotated[float, Between(0, above=True)]
Weight = Annotated[float, Between(0)]


@dataclass(frozen=True)
class Dist:
    """DIST (eq. 8 to 10); ``tau_squared`` multiplies by tau squared, as its authors' code does."""

    tau: Temperature
    tau_squared: bool


@dataclass(frozen=True)
class Kd:
    """Hinton's knowledge distillation (eq. 6), of ``standardised`` logits or of the logits as they are."""

    tau: Temperature
    standardised: bool


@dataclass(frozen=True)
class Dkd:
    """Decoupled knowledge distillation; its weight grows linearly over ``warmup_epochs``.

    ``standardised`` is as in ``Kd``.
    """

    tau: Temperature
    alpha: Weight
    beta: Weight
    warmup_epochs: Annotated[int, Between(0)]
    standardised: bool


@dataclass(frozen=True)
class MultiLevel:
    """Multi-level distillation at the temperatures ``taus``, with a weight for each level.

    ``standardised`` is as in ``Kd``, and concerns the instance level alone.
    """

    taus: Annotated[tuple[Temperature, ...], Length(1, distinct=True)]
    instance: Weight
    batch: Weight
    classes: Weight
    standardised: bool

    def __post_init__(self) -> None:
        if self.instance == self.batch == self.classes == 0:
            raise ErktError("instance, batch and classes are all 0: at least one level needs a weight")


@dataclass(frozen=True)
class Loss:
    """``loss_ratio`` is R of eq. 15: R * L_cross + (2 - R) * L_KD; ``loss: none`` is L_cross alone."""

    loss: Literal["dist", "kd", "dkd", "multi_level", "none"]
    loss_ratio: Annotated[float, Between(0, 2)]
    dist: Dist
    kd: Kd
    dkd: Dkd
    multi_level: MultiLevel
