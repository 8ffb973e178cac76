"""The search of the ensemble's weights (paper, section 3.1, eq. 14, Table 6).

The paper searches on test accuracy. Here whoever calls ``search`` hands over validation logits, and the result
keeps every candidate, so that the choice can be looked at.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from erkt.ensemble.mixing import Space, combine
from erkt.errors import ErktError
from erkt.networks.logits import Floats, Integers, check_logits

STEPS = 10
"""Both searches move weights by 1 / STEPS, eq. 14's interval."""

DIGITS = 10
"""Decimals that count: of weights (0.3, not 0.30000000000000004), and where two candidates are compared."""


@dataclass(frozen=True)
class Candidate:
    """Weights by member, with the accuracy (percent) and the mean negative log-likelihood they reach."""

    weights: dict[str, float]
    oa: float
    nll: float


@dataclass(frozen=True)
class Sweep:
    """The chosen weights, and every candidate in the order of the search."""

    weights: dict[str, float]
    candidates: tuple[Candidate, ...]


def equal_weights(names: Sequence[str]) -> dict[str, float]:
    """Return the same weight for every name, rounded to 10 digits; an error if a name is missing or repeated."""
    if not names or len(set(names)) < len(names):
        raise ErktError(f"ensemble: {list(names)} are not one or more distinct members")
    return {name: round(1 / len(names), DIGITS) for name in names}


def line(names: Sequence[str], lead: str) -> Iterator[dict[str, float]]:
    """Yield eq. 14's nine candidates: ``lead`` has 0.1 to 0.9, the other members share the rest equally.

    A member alone has weight 1, the only candidate.

    Raises:
        ErktError: ``lead`` is not a member.
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

    def parts(total: int, count: int) -> Iterator[tuple[int, ...]]:
        if count == 1:
            yield (total,)
            return
        for first in range(total + 1):
            for others in parts(total - first, count - 1):
                yield (first, *others)

    for steps in parts(STEPS, len(names)):
        yield {name: step / STEPS for name, step in zip(names, steps, strict=True)}


def search(
    logits: Mapping[str, Floats],
    labels: Integers,
    *,
    method: Literal["line", "simplex"],
    lead: str,
    space: Space,
    reference: Mapping[str, float],
) -> Sweep:
    """Return the weights with the highest accuracy on ``labels``, and every candidate tried.

    Ties go to the lowest negative log-likelihood, then to the weights nearest (Euclidean) to ``reference``, then
    to the earlier candidate. Likelihoods and distances that agree to 10 decimals are equal, so that rounding
    decides nothing.

    Args:
        logits: validation logits (N, C) by member.
        labels: (N,), in [0, C).
        method: ``line`` for eq. 14, ``simplex`` for every combination at step 0.1.
        lead: the member that the line sweeps; the simplex has none and ignores it.
        space: as in ``combine``.
        reference: weights by member, such as the paper's.

    Raises:
        ErktError: members, weights, shapes or labels do not fit, or a logit is not finite.
    """
    for name, array in logits.items():
        check_logits(array, labels, f"ensemble member {name}")
    combine(logits, reference, space)  # refuses members, weights and shapes that do not fit
    names = list(logits)
    grid = line(names, lead) if method == "line" else simplex(names)
    candidates = tuple(score(logits, labels, weights, space) for weights in grid)

    def rank(candidate: Candidate) -> tuple[float, float, float]:
        distance = math.dist([candidate.weights[n] for n in names], [reference[n] for n in names])
        return -candidate.oa, round(candidate.nll, DIGITS), round(distance, DIGITS)

    return Sweep(min(candidates, key=rank).weights, candidates)


def score(
    logits: Mapping[str, Floats], labels: Integers, weights: dict[str, float], space: Space
) -> Candidate:
    """Return how good the ensemble with ``weights`` is; arguments and errors as of ``combine``."""
    mixed = combine(logits, weights, space)
    nll = cross_entropy(torch.from_numpy(mixed), torch.from_numpy(labels.astype(np.int64)))
    return Candidate(weights, 100 * float((mixed.argmax(axis=1) == labels).mean()), nll.item())
