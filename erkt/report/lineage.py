"""Where a page's numbers are from, beyond the files that they are in: what its maker knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Lineage:
    """What is known of a run beside its files.

    ``params`` is the protocol, less places of images; ``taught`` says whether the ensemble had a part in the
    student's loss; ``inputs`` is the sha256 of all that the page's stage was given. Of the repository that
    the page was made in: its ``commit``, with ``-dirty`` where files differ, the sha256 of dvc.lock, a line
    for each ``machine``, the ``packages`` with their versions, the ``seconds`` of each stage, and of how many
    cells that is ``unknown``: they ran elsewhere, or came from DVC's cache. None, or empty, is unknown.
    ``stale`` is what no longer belongs to params and code, in words.
    """

    dataset: str
    params: Mapping[str, Any]
    taught: bool
    inputs: str | None = None
    commit: str | None = None
    lock: str | None = None
    machines: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    unknown: int = 0
    stale: str | None = None


@dataclass(frozen=True)
class Speed:
    """Milliseconds an image of the student and of the ensemble, on ``device``, at ``side`` pixels."""

    student: float
    ensemble: float
    ratio: float
    device: str
    side: int
    batch: int


def taught(loss: str, ratio: float) -> bool:
    """Return whether a student's loss has a part of its teachers: ``distill.loss`` and R of eq. 15."""
    return loss != "none" and ratio < 2


def shareable(params: object) -> object:
    """Return params without the places of images and weights, which are one machine's, or have a password."""
    if isinstance(params, Mapping):
        return {
            key: "(left out)" if key == "location" and value else shareable(value)
            for key, value in params.items()
        }
    return [shareable(value) for value in params] if isinstance(params, list) else params
