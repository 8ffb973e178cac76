"""How the images are divided."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.errors import ErktError
from erkt.params.schema import Between


@dataclass(frozen=True)
class Split:
    """``train_percent`` of all images train (the paper's training ratio, TR), the rest is the test part.

    With null, the parts are those of ``dataset.parts``, as they were published.

    ``val_percent`` of the training part, per class, is set aside as the validation part; 0 for none.

    ``group_duplicates`` keeps images together that are there more than once, so that none is tested whose
    twin trained: ``exact`` those of equal prepared pixels, ``near`` also near duplicates, ``none`` draws
    every image on its own.

    ``unlabelled_percent`` of all images, per class, are taken out of the test part: the student is distilled
    on them too, and their labels are never read; 0 for none. Training and validation part stay as they are.
    """

    train_percent: Annotated[float, Between(0, 100, above=True, below=True)] | None
    val_percent: Annotated[float, Between(0, 100, below=True)]
    group_duplicates: Literal["none", "exact", "near"]
    unlabelled_percent: Annotated[float, Between(0, 100, below=True)]

    def __post_init__(self) -> None:
        if self.train_percent is None:
            if self.unlabelled_percent:
                raise ErktError("unlabelled_percent: a published test part stays whole; set it to 0")
        elif self.train_percent + self.unlabelled_percent >= 100:
            raise ErktError(
                f"train_percent {self.train_percent:g} and unlabelled_percent {self.unlabelled_percent:g} "
                "leave no image for the test part; lower one of them"
            )
