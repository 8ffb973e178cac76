"""The distillation: objective and recipe of the student."""

from dataclasses import dataclass
from typing import Annotated

from erkt.params.loss import Loss
from erkt.params.recipe import Recipe
from erkt.params.resizing import Resizing
from erkt.params.schema import Between


@dataclass(frozen=True)
class Distill(Loss):
    """The objective's settings (see ``Loss``), the student's recipe, and three options of ours.

    ``finish`` is the share of the last epochs that show ``base`` views (see ``erkt.views.finish``).

    ``averaging`` is what an average of the weights keeps at each step; the average is the result. With 0 the
    result are the last step's weights.
    """

    recipe: Recipe
    finish: Annotated[float, Between(0, 1)]
    resizing: Resizing
    averaging: Annotated[float, Between(0, 1, below=True)]
