"""Which weights the ensemble gets: searched on the validation part, given, or equal. Needs no torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from erkt.ensemble.search import Sweep, equal_weights, search
from erkt.networks.logits import Floats, Integers
from erkt.params.ensemble import Ensemble


def choose(logits: Mapping[str, Floats], labels: Integers, settings: Ensemble) -> Sweep:
    """Return the weights that ``settings`` ask for, with every candidate that was tried.

    ``logits`` are the members' (N, C) on the validation part, ``labels`` (N,) its classes; both are empty
    where there is none, and nothing is searched then.
    """
    given = settings.weights or equal_weights(list(logits))
    if settings.search == "none":
        return Sweep(given, ())
    lead = settings.lead or next(iter(logits))
    return search(logits, labels, method=settings.search, lead=lead, space=settings.space, reference=given)


def rows(sweep: Sweep, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row a candidate: a weight a member, ``oa`` in percent, ``nll``, and whether it was chosen.

    Weights that were not searched make one row without scores.
    """
    if not sweep.candidates:
        return [{**{name: sweep.weights[name] for name in names}, "oa": None, "nll": None, "chosen": 1}]
    return [
        {
            **{name: candidate.weights[name] for name in names},
            "oa": candidate.oa,
            "nll": candidate.nll,
            "chosen": int(candidate.weights == sweep.weights),
        }
        for candidate in sweep.candidates
    ]
