"""The weights that an ensemble may have (paper, section 3.1, eq. 14), and how good each is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from erkt.ensemble.mixing import Space, combine
from erkt.errors import ErktError
from erkt.networks.logits import Floats, Integers

STEPS = 10
"""Weights move by 1 / STEPS, eq. 14's interval."""

DIGITS = 10
"""Decimals that count: of weights (0.3, not 0.30000000000000004), and where two candidates are compared."""


@dataclass(frozen=True)
class Candidate:
    """Weights by member, with the accuracy (percent) and the mean negative log-likelihood they reach."""

    weights: dict[str, float]
    oa: float
    nll: float


def line(names: Sequence[str], lead: str) -> Iterator[dict[str, float]]:
    """Yield eq. 14's nine candidates: ``lead`` has 0.1 to 0.9, the other members share the rest equally.

    A member alone has weight 1, the only candidate. Raises ErktError if ``lead`` is not a member.
    """
    if lead not in names:
        raise ErktError(f"ensemble.lead: {lead!r} is not a member, expected one of {sorted(names)}")
    if len(names) == 1:
        yield {lead: 1.0}
        return
    for step in range(1, STEPS):
        rest = round((STEPS - step) / STEPS / (len(names) - 1), DIGITS)
        yield {name: step / STEPS if name == lead else rest for name in names}


def simplex(names: Sequence[str]) -> Iterator[dict[str, float]]:
    """Yield every set of weights that are multiples of 0.1 and sum to 1, corners included (66 for three)."""
    # Stars and bars: ten tenths in a row, with a bar between one member's and the next one's.
    places = STEPS + len(names) - 1
    for bars in combinations(range(places), len(names) - 1):
        steps = [right - left - 1 for left, right in pairwise((-1, *bars, places))]
        yield {name: step / STEPS for name, step in zip(names, steps, strict=True)}


def score(
    logits: Mapping[str, Floats], labels: Integers, weights: dict[str, float], space: Space
) -> Candidate:
    """Return how good the ensemble with ``weights`` is; arguments and errors as of ``combine``."""
    mixed = combine(logits, weights, space)
    nll = cross_entropy(torch.from_numpy(mixed), torch.from_numpy(labels.astype(np.int64)))
    return Candidate(weights, 100 * float((mixed.argmax(axis=1) == labels).mean()), nll.item())


def table_6(logits: Mapping[str, Floats], labels: Integers, space: Space) -> list[dict[str, Any]]:
    """Return how good every ensemble is that a search could choose: the paper's Table 6, and no choice.

    One row a candidate: ``lead`` (the member that eq. 14's line sweeps, None on the simplex), a weight a
    member, ``oa`` in percent, ``nll``. Arguments and errors as of ``combine``.
    """
    names = list(logits)
    rows = []
    for lead in [*names, None]:
        for weights in line(names, lead) if lead else simplex(names):
            candidate = score(logits, labels, weights, space)
            rows.append({"lead": lead, **weights, "oa": candidate.oa, "nll": candidate.nll})
    return rows
