"""Settings of the distillation objective (paper, section 3.4 and eq. 15)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.params.schema import Between

Temperature = Annotated[float, Between(0, above=True)]
Weight = Annotated[float, Between(0)]


@dataclass(frozen=True)
class Dist:
    """DIST (eq. 8 to 10); ``tau_squared`` multiplies by tau squared, as its authors' code does."""

    tau: Temperature
    tau_squared: bool


@dataclass(frozen=True)
class Kd:
    """Hinton's knowledge distillation (eq. 6)."""

    tau: Temperature


@dataclass(frozen=True)
class Dkd:
    """Decoupled knowledge distillation; its weight grows linearly over ``warmup_epochs``."""

    tau: Temperature
    alpha: Weight
    beta: Weight
    warmup_epochs: Annotated[int, Between(0)]


@dataclass(frozen=True)
class Loss:
    """``loss_ratio`` is R of eq. 15: R * L_cross + (2 - R) * L_KD; ``loss: none`` is L_cross alone."""

    loss: Literal["dist", "kd", "dkd", "none"]
    loss_ratio: Annotated[float, Between(0, 2)]
    dist: Dist
    kd: Kd
    dkd: Dkd
