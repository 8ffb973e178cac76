"""The distillation: objective and recipe of the student."""

from dataclasses import dataclass

from erkt.params.loss import Loss
from erkt.params.recipe import Recipe


@dataclass(frozen=True)
class Distill(Loss):
    """The objective's settings (see ``Loss``) and the student's recipe."""

    recipe: Recipe
