"""How the images are divided."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.params.schema import Between


@dataclass(frozen=True)
class Split:
    """``train_percent`` of all images train (the paper's training ratio, TR), the rest is the test part.

    ``val_percent`` of the training part, per class, is set aside as the validation part; 0 for none.

    ``group_duplicates`` keeps images together that are there more than once, so that none is tested whose
    twin trained: ``exact`` those of equal prepared pixels, ``near`` also near duplicates, ``none`` draws
    every image on its own.
    """

    train_percent: Annotated[float, Between(0, 100, above=True, below=True)]
    val_percent: Annotated[float, Between(0, 100, below=True)]
    group_duplicates: Literal["none", "exact", "near"]
