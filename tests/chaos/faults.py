"""A fault, and the verdict that comes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from chaos.site import Broken
from chaos.verdict import Verdict


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong: its kind, where, and what does it to a copy of the finished run."""

    kind: str
    where: str
    happen: Callable[[Broken, Random], Verdict]
