"""Which weights the ensemble gets: given, equal, or searched.

The paper searches on test accuracy. Here whoever calls ``search`` hands over validation logits, and the
result keeps every candidate, so that the choice can be looked at.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from erkt.ensemble.candidates import DIGITS, Candidate, line, score, simplex
from erkt.ensemble.mixing import combine
from erkt.networks.logits import Floats, Integers, check_logits
from erkt.params.ensemble import Ensemble


@dataclass(frozen=True)
class Sweep:
    """The chosen weights by member, and the candidates in the order of the search, if there was one."""

    weights: dict[str, float]
    candidates: tuple[Candidate, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a candidate: a weight a member, ``oa``, ``nll``, and whether it was chosen.

        Weights that were not searched make one row; it has no scores where there is no validation part.
        """
        if not self.candidates:
            return [{**self.weights, "oa": None, "nll": None, "chosen": 1}]
        return [
            {**one.weights, "oa": one.oa, "nll": one.nll, "chosen": int(one.weights == self.weights)}
            for one in self.candidates
        ]


def search(logits: Mapping[str, Floats], labels: Integers, settings: Ensemble) -> Sweep:
    """Return the weights that ``settings`` ask for.

    The highest accuracy is chosen. Ties go to the lowest negative log-likelihood, then to the weights nearest
    (Euclidean) to those of ``settings``, then to the earlier candidate. Likelihoods and distances that agree
    to 10 decimals are equal, so that rounding decides nothing.

    Args:
        logits: the members' on the validation part, (N, C) by name; empty where there is none.
        labels: (N,), in [0, C).
        settings: null weights are equal ones, and a null lead is the first member.

    Raises:
        ErktError: members, weights, shapes or labels do not fit, or a logit is not finite.
    """
    names, space = list(logits), settings.space
    given = settings.weights or dict.fromkeys(names, round(1 / len(names), DIGITS))
    if settings.search == "none" and not len(labels):
        return Sweep(given, ())
    for name, array in logits.items():
        check_logits(array, labels, f"ensemble member {name}")
    combine(logits, given, space)  # refuses members, weights and shapes that do not fit
    if settings.search == "none":
        return Sweep(given, (score(logits, labels, given, space),))
    grid = line(names, settings.lead or names[0]) if settings.search == "line" else simplex(names)
    candidates = [score(logits, labels, weights, space) for weights in grid]

    def rank(candidate: Candidate) -> tuple[float, float, float]:
        distance = math.dist([candidate.weights[n] for n in names], [given[n] for n in names])
        return -candidate.oa, round(candidate.nll, DIGITS), round(distance, DIGITS)

    return Sweep(min(candidates, key=rank).weights, tuple(candidates))
