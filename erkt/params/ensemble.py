"""How the teachers are mixed."""

from dataclasses import dataclass
from typing import Annotated, Literal

from erkt.params.schema import Between


@dataclass(frozen=True)
class Ensemble:
    """Weights of the teachers, searched on the validation part or given.

    ``search`` is eq. 14's ``line`` (``lead`` names the swept teacher), the whole ``simplex``, or ``none``.
    ``weights`` are used as they are where nothing is searched, and decide ties where something is; null means
    equal weights. ``space`` says what is mixed: logits, or softmax probabilities (then their logarithm).
    """

    search: Literal["none", "line", "simplex"]
    lead: str | None
    weights: dict[str, Annotated[float, Between(0, 1)]] | None
    space: Literal["logits", "probs"]
