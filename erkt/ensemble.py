"""The ensemble of teachers: its score, and the search of its weights (paper, section 3.1, eq. 14, Table 6).

The paper searches on test accuracy. Here whoever calls ``search`` hands over validation logits, and the result
keeps every candidate, so that the choice can be looked at. Numpy alone: nothing here runs a network.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from erkt import metrics
from erkt.errors import ErktError

Space = Literal["logits", "probs"]

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


def _check_weights(weights: Mapping[str, float], members: Sequence[str], what: str) -> None:
    if set(weights) != set(members):
        raise ErktError(f"{what} name {sorted(weights)}, the ensemble's members are {sorted(members)}")
    if not (all(w >= 0 for w in weights.values()) and abs(math.fsum(weights.values()) - 1) <= 1e-6):
        raise ErktError(f"{what} {dict(weights)}: expected numbers of at least 0 that sum to 1")


def _check_logits(logits: Mapping[str, metrics.Floats]) -> None:
    if not logits:
        raise ErktError("ensemble: no member given")
    shapes = {name: array.shape for name, array in logits.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 2 for shape in shapes.values()):
        raise ErktError(f"ensemble: logits have shapes {shapes}, expected the same (N, C) for every member")


def equal_weights(names: Sequence[str]) -> dict[str, float]:
    """Return the same weight for every name, rounded to 10 digits; an error if a name is missing or repeated."""
    if not names or len(set(names)) < len(names):
        raise ErktError(f"ensemble: {list(names)} are not one or more distinct members")
    return {name: round(1 / len(names), DIGITS) for name in names}


def combine(
    logits: Mapping[str, metrics.Floats], weights: Mapping[str, float], space: Space
) -> NDArray[np.float64]:
    """Return the ensemble's score (N, C).

    Args:
        logits: (N, C) by member.
        weights: by member, 0 or more, summing to 1 within 1e-6.
        space: ``logits`` for the weighted sum of logits; ``probs`` for the log of the weighted mean of softmax,
            a log because whoever takes the score as logits applies a softmax to it.

    Raises:
        ErktError: weights and members do not fit, or shapes differ.
    """
    _check_logits(logits)
    _check_weights(weights, list(logits), "ensemble weights")
    used = [(logits[name].astype(np.float64), weights[name]) for name in sorted(logits) if weights[name] > 0]
    if space == "logits":
        return np.asarray(np.stack([weight * scores for scores, weight in used]).sum(axis=0))
    # In the log domain: a class that every member gives a probability of 1e-400 still has a finite score.
    logs = np.stack([metrics.log_softmax(scores) + math.log(weight) for scores, weight in used])
    highest = logs.max(axis=0)
    return np.asarray(highest + np.log(np.exp(logs - highest).sum(axis=0)))


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
    logits: Mapping[str, metrics.Floats],
    labels: metrics.Integers,
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
    _check_logits(logits)
    for name, array in logits.items():
        metrics.check(array, labels, f"ensemble member {name}")
    names = list(logits)
    _check_weights(reference, names, "reference weights")
    grid = line(names, lead) if method == "line" else simplex(names)
    candidates = tuple(score(logits, labels, weights, space) for weights in grid)

    def rank(candidate: Candidate) -> tuple[float, float, float]:
        distance = math.dist([candidate.weights[n] for n in names], [reference[n] for n in names])
        return -candidate.oa, round(candidate.nll, DIGITS), round(distance, DIGITS)

    return Sweep(min(candidates, key=rank).weights, candidates)


def score(
    logits: Mapping[str, metrics.Floats],
    labels: metrics.Integers,
    weights: dict[str, float],
    space: Space,
) -> Candidate:
    """Return how good the ensemble with ``weights`` is; arguments and errors as of ``combine``."""
    mixed = combine(logits, weights, space)
    matrix = metrics.confusion_matrix(labels, mixed.argmax(axis=1), mixed.shape[1])
    return Candidate(
        weights, metrics.overall_accuracy(matrix), metrics.negative_log_likelihood(mixed, labels)
    )
