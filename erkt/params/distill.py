"""The distillation: objective and recipe of the student, and what makes it cheaper."""

from dataclasses import dataclass

from erkt.params.economy import Economy
from erkt.params.loss import Loss
from erkt.params.recipe import Recipe


@dataclass(frozen=True)
class Distill(Loss):
    """The objective's settings (see ``Loss``), the student's recipe, and what makes it cheaper."""

    recipe: Recipe
    economy: Economy
