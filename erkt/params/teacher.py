"""One teacher: a network and its own recipe."""

from dataclasses import dataclass

from erkt.params.network import Network
from erkt.params.recipe import Recipe


@dataclass(frozen=True)
class Teacher:
    """A teacher of the ensemble; trained on ``base`` views."""

    network: Network
    recipe: Recipe
